// The reader of updates of electron-updater: node electron_update.cjs URL OLD NEW BLOCKMAPS, where BLOCKMAPS is a file of
// [old, new] in JSON. Fails if what was put together has not the digest that BLOCKMAPS tells.
const http = require('node:http');
const fs = require('node:fs');
const { HttpExecutor } = require('builder-util-runtime');
const { GenericDifferentialDownloader } = require('electron-updater/out/differentialDownloader/GenericDifferentialDownloader');

class Executor extends HttpExecutor {
  createRequest(options, callback) {
    return http.request(options, callback);
  }
}

const [, , url, oldFile, newFile, blockmaps] = process.argv;
const [old, made, file] = JSON.parse(fs.readFileSync(blockmaps, 'utf8'));
const quiet = { info() {}, warn: console.error, error: console.error };
const options = { newUrl: new URL(url), oldFile, newFile, logger: quiet, requestHeaders: null, isUseMultipleRangeRequest: true };
new GenericDifferentialDownloader(file, new Executor(), options).download(old, made).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
