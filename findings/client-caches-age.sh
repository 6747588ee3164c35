#!/usr/bin/env bash
# Four clients' caches do not see Age: behind another cache they keep what was stale when it came.
#
# Guess: a client that heeds max-age heeds Age as well, without which max-age means nothing behind a cache (RFC 9111,
# section 4.2.3).
# Seen, for an answer with `Cache-Control: max-age=60` and `Age: 1000`, asked for twice: CacheControl 0.14.4, requests-cache
# 1.3.3 and aiohttp-client-cache 0.15.0 (these two with cache_control=True) and make-fetch-happen 15.0.6 give it a second
# time without asking; undici 7.30.2 and got 14.6.6 ask again, as they should.
# So behind a cache that serves an object until the last of its max-age, these four double the time for which a change is
# unseen; behind one that serves what is stale, they take for fresh what it knows to be old.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q CacheControl==0.14.4 requests==2.34.2 requests-cache==1.3.3 aiohttp==3.14.5 \
    aiohttp-client-cache==0.15.0 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent make-fetch-happen@15.0.6 undici@7.30.2 \
    got@14.6.6 >"$folder/npm.log" 2>&1 || { cat "$folder/npm.log"; exit 1; }
cat >"$folder/server.py" <<'PYTHON'
import http.server
import sys


class Old(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        Old.asked += 1
        self.send_response(200)
        for name, value in (("Cache-Control", "max-age=60"), ("Age", "1000"), ("Content-Length", "8")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"%08d" % Old.asked)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old)
with open(sys.argv[1], "w") as file:
    print(server.server_port, file=file)
server.serve_forever()
PYTHON
cat >"$folder/ask.py" <<'PYTHON'
import asyncio
import sys

import aiohttp_client_cache
import cachecontrol
import requests
import requests_cache

for name, session in (
    ("CacheControl", cachecontrol.CacheControl(requests.Session())),
    ("requests-cache", requests_cache.CachedSession(backend="memory", cache_control=True)),
):
    print(name, "asks again" if len({session.get(f"{sys.argv[1]}{name}").content for _ in "12"}) == 2 else "does not")


async def main():
    cache = aiohttp_client_cache.CacheBackend(cache_control=True)
    async with aiohttp_client_cache.CachedSession(cache=cache) as session:
        seen = {await (await session.get(f"{sys.argv[1]}aiohttp")).read() for _ in "12"}
        print("aiohttp-client-cache", "asks again" if len(seen) == 2 else "does not")


asyncio.run(main())
PYTHON
cat >"$folder/ask.mjs" <<'JS'
import fetcher from 'make-fetch-happen';
import { Agent, interceptors, request } from 'undici';
import got from 'got';

const [, , url, directory] = process.argv;
const fetch = fetcher.defaults({ cachePath: directory });
const dispatcher = new Agent().compose(interceptors.cache());
const cache = new Map();
for (const [name, ask] of [
  ['make-fetch-happen', async () => (await fetch(`${url}mfh`)).text()],
  ['undici', async () => (await request(`${url}undici`, { dispatcher })).body.text()],
  ['got', async () => (await got(`${url}got`, { cache })).body],
]) {
  const [first, second] = [await ask(), await ask()];
  console.log(name, first === second ? 'does not' : 'asks again');
}
process.exit();
JS
python3 "$folder/server.py" "$folder/port" &
until [ -s "$folder/port" ]; do sleep 0.1; done
url="http://127.0.0.1:$(cat "$folder/port")/"
seen=$("$folder/venv/bin/python" "$folder/ask.py" "$url"; cd "$folder" && node ask.mjs "$url" "$folder/cacache")
echo "max-age=60, Age: 1000, a second time:"
echo "$seen"
[ "$seen" = 'CacheControl does not
requests-cache does not
aiohttp-client-cache does not
make-fetch-happen does not
undici asks again
got asks again' ] || { echo "it changed" >&2; exit 1; }
