#!/usr/bin/env bash
# Tornado's StaticFileHandler keeps a strong entity tag when the file is replaced by one of the same length.
#
# Guess: a strong tag that is equal is proof of equal bytes (RFC 9110, section 8.8.3), and a 304 to it of an unchanged file.
# Seen with Tornado 6.6.1: the tag is a hash of the bytes, but made once for a path and kept in the process, whatever
# becomes of the file. If-None-Match gets 304, If-Range is not heeded, and a range brings the new bytes under the old tag.
# Only Last-Modified tells: it is later than the Date of what was got before. Weights of one shape have one length.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tornado==6.6.1 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
seen=$(cd "$folder" && "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import os
import time

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, StaticFileHandler


async def main():
    sock, port = bind_unused_port()
    HTTPServer(Application([("/(.*)", StaticFileHandler, {"path": "."})])).add_sockets([sock])

    async def ask(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/file", headers=named, raise_error=False)

    with open("file", "wb") as file:
        file.write(b"a" * 1000)
    os.utime("file", (time.time() - 3600,) * 2)
    old = await ask()
    with open("file", "wb") as file:
        file.write(b"b" * 1000)
    tag = old.headers["Etag"]
    new = await ask(Range="bytes=500-509", If_Range=tag)
    same = new.headers["Etag"] == tag
    confirmed = (await ask(If_None_Match=tag)).code
    dates = old.headers["Last-Modified"] != new.headers["Last-Modified"]
    print(f"{old.body[:1].decode()} then {new.body[:1].decode()} by {new.code}, one tag: {same}, {confirmed}, dates differ: {dates}")


asyncio.run(main())
PYTHON
)
echo "$seen"
[ "$seen" = "a then b by 206, one tag: True, 304, dates differ: True" ] || { echo "it changed" >&2; exit 1; }
