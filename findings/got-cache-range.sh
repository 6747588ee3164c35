#!/usr/bin/env bash
# got's cache answers a range with another range's bytes, and a request for the whole with a piece.
#
# Guess: a client's cache either keeps no 206 at all (as those of undici, make-fetch-happen and requests-cache do), or gives
# it to nobody who asks for another range.
# Seen, got 14.6.6 with cacheable-request 13.0.19, `cache: new Map()`, and a server whose 206 have max-age: the bytes 10-19
# are asked for after 0-9, and 0-9 come, from the cache, with the Content-Range of 0-9; so they do, as 206, when nothing was
# said of a range. The server was asked once.
# So who reads an archive by its directory, through got with a cache, reads the directory again in place of the member.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent got@14.6.6 cacheable-request@13.0.19 >"$folder/npm.log" 2>&1 ||
    { cat "$folder/npm.log"; exit 1; }
cat >"$folder/ask.mjs" <<'JS'
import http from 'node:http';
import got from 'got';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
let asked = 0;
const server = http.createServer((request, response) => {
  asked += 1;
  response.setHeader('Cache-Control', 'max-age=3600');
  response.setHeader('ETag', '"1"');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (!range) return response.end(letters);
  response.statusCode = 206;
  response.setHeader('Content-Range', `bytes ${range[1]}-${range[2]}/26`);
  response.end(letters.slice(+range[1], +range[2] + 1));
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const cache = new Map();
for (const range of ['bytes=0-9', 'bytes=10-19', undefined]) {
  const answer = await got(`http://127.0.0.1:${server.address().port}/`, { cache, headers: { range } });
  console.log(range ?? 'whole', answer.statusCode, answer.body, answer.headers['content-range']);
}
console.log('asked', asked);
process.exit();
JS
seen=$(cd "$folder" && node ask.mjs)
echo "asked for, status, body, Content-Range:"
echo "$seen"
[ "$seen" = 'bytes=0-9 206 ABCDEFGHIJ bytes 0-9/26
bytes=10-19 206 ABCDEFGHIJ bytes 0-9/26
whole 206 ABCDEFGHIJ bytes 0-9/26
asked 1' ] || { echo "it changed" >&2; exit 1; }
