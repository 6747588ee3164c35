#!/usr/bin/env bash
# HEAD with a Range: servers answer 206 with the length of the range, or 416, as if it were a GET.
#
# Guess: 200 and the complete length. RFC 9110, section 14.2, defines ranges for GET alone, and a server "MUST ignore" the
# field with any other method.
# Seen, for HEAD of a file of 102,400 bytes with `Range: bytes=5-9`, and with a range beyond its end: Flask 3.1.3, Starlette
# 1.10.0, aiohttp 3.14.5, bottle 0.13.4, Express 5.3.0 and sirv 3.0.2 say 206 with Content-Length: 5, and 416; Twisted
# 26.10.0 and Hono 4.13.19 (node-server 2.1.9) say 200 with 102400 to both.
# So who passes a client's Range on with a HEAD, and takes Content-Length for the length of the file, has it wrong, and
# whether a file is there depends on a field that should not count.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q Flask==3.1.3 starlette==1.10.0 uvicorn==0.54.0 aiohttp==3.14.5 bottle==0.13.4 \
    Twisted==26.10.0 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent express@5.3.0 sirv@3.0.2 hono@4.13.19 \
    @hono/node-server@2.1.9 >"$folder/npm.log" 2>&1 || { cat "$folder/npm.log"; exit 1; }
cat >"$folder/ask.py" <<'PYTHON'
import http.client
import os
import socket
import subprocess
import sys
import time

os.mkdir("www")
with open("www/f", "wb") as file:
    file.write(bytes(range(256)) * 400)
PYTHON = {
    "Flask": "import flask; app = flask.Flask('x'); app.get('/f')(lambda: flask.send_file(os.path.abspath('www/f'))); app.run('127.0.0.1', PORT)",
    "Starlette": "import uvicorn; from starlette.staticfiles import StaticFiles; uvicorn.run(StaticFiles(directory='www'), port=PORT)",
    "aiohttp": "from aiohttp import web; app = web.Application(); app.router.add_static('/', 'www'); web.run_app(app, host='127.0.0.1', port=PORT)",
    "bottle": "import bottle; bottle.route('/f')(lambda: bottle.static_file('f', root='www')); bottle.run(host='127.0.0.1', port=PORT)",
    "Twisted": "from twisted.web import server, static; from twisted.internet import reactor; "
    "reactor.listenTCP(PORT, server.Site(static.File('www')), interface='127.0.0.1'); reactor.run()",
}
NODE = {
    "Express": "const e = require('express'), app = e(); app.use(e.static('www')); app.listen(PORT, '127.0.0.1')",
    "sirv": "const s = require('sirv')('www'); require('http').createServer((q, r) => s(q, r)).listen(PORT, '127.0.0.1')",
    "Hono": "const app = new (require('hono').Hono)(); app.use('/*', require('@hono/node-server/serve-static').serveStatic({ root: 'www' })); "
    "require('@hono/node-server').serve({ fetch: app.fetch, port: PORT, hostname: '127.0.0.1' })",
}


def head(port, range):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("HEAD", "/f", headers={"Range": range})
    return connection.getresponse()


for name, program in {**PYTHON, **NODE}.items():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = program.replace("PORT", str(port))
    command = [sys.executable, "-c", "import os; " + program] if name in PYTHON else ["node", "-e", program]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None, name
            try:
                within, beyond = head(port, "bytes=5-9"), head(port, "bytes=999999-")
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        print(name, within.status, within.headers["Content-Length"], beyond.status)
    finally:
        server.kill()
        server.wait()
PYTHON
seen=$(cd "$folder" && venv/bin/python ask.py)
echo "server, status and length to HEAD with 5-9, status with a range beyond the end:"
echo "$seen"
[ "$seen" = 'Flask 206 5 416
Starlette 206 5 416
aiohttp 206 5 416
bottle 206 5 416
Twisted 200 102400 200
Express 206 5 416
sirv 206 5 416
Hono 200 102400 200' ] || { echo "it changed" >&2; exit 1; }
