#!/usr/bin/env bash
# A 304 takes an object out of undici's cache: every second request for it fetches the whole again.
#
# Guess: a 304 confirms what is stored and renews its fields (RFC 9111, section 4.3.4), so each later request is a 304 as
# well, or none, if the 304 brought a max-age.
# Seen, undici 7.30.2 with `interceptors.cache()`: under no-cache the server's answers to six requests are 200, 304, 200,
# 304, 200, 304. Where the 304 brings max-age=3600, the next request, at once, is a 200 all the same.
# So revalidation, whose purpose is not to send the body again, saves half of the bodies, whatever the 304 says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent undici@7.30.2 >"$folder/npm.log" 2>&1 ||
    { cat "$folder/npm.log"; exit 1; }
cat >"$folder/ask.mjs" <<'JS'
import http from 'node:http';
import { Agent, interceptors, request } from 'undici';

for (const [first, later] of [['no-cache', 'no-cache'], ['no-cache', 'max-age=3600']]) {
  const answers = [];
  const server = http.createServer((asked, response) => {
    const known = asked.headers['if-none-match'] === '"1"';
    response.setHeader('ETag', '"1"');
    response.setHeader('Cache-Control', answers.length ? later : first);
    answers.push((response.statusCode = known ? 304 : 200));
    response.end(known ? undefined : 'body');
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const dispatcher = new Agent().compose(interceptors.cache());
  for (let i = 0; i < 6; i++) {
    const got = await request(`http://127.0.0.1:${server.address().port}/`, { dispatcher });
    if ((await got.body.text()) !== 'body') throw new Error('another body');
    await new Promise((later) => setTimeout(later, 50));
  }
  console.log(`${first}, then ${later}:`, answers.join(' '));
}
process.exit();
JS
seen=$(cd "$folder" && node ask.mjs)
echo "the server's answers to six requests:"
echo "$seen"
[ "$seen" = 'no-cache, then no-cache: 200 304 200 304 200 304
no-cache, then max-age=3600: 200 304 200' ] || { echo "it changed" >&2; exit 1; }
