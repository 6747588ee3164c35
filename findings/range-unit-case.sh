#!/usr/bin/env bash
# `Range: Bytes=5-9` gets five different answers, among them other bytes.
#
# Guess: bytes 5 to 9, or the whole, as for a unit that is not known. The names of range units do not heed case (RFC 9110,
# section 14.1).
# Seen: sirv 3.0.2 gives the bytes 0 to 9; Hono 4.13.19 (node-server 2.1.9) the whole as a 206; bottle 0.13.4 and
# http-server 14.1.1 say 416, though the range is within the file; Tornado 6.6.1 and Express 5.3.0 give the whole as a 200;
# Flask 3.1.3, Starlette 1.10.0 and aiohttp 3.14.5 what was asked for.
# So the unit has to be written as the RFC's examples write it: the label of sirv's answer is right, but its first byte is
# not where it was asked for, and who lays it down there has a damaged file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q Flask==3.1.3 starlette==1.10.0 uvicorn==0.54.0 aiohttp==3.14.5 bottle==0.13.4 \
    tornado==6.6.1 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent express@5.3.0 sirv@3.0.2 hono@4.13.19 \
    @hono/node-server@2.1.9 http-server@14.1.1 >"$folder/npm.log" 2>&1 || { cat "$folder/npm.log"; exit 1; }
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
    "Tornado": "import tornado.ioloop, tornado.web; tornado.web.Application([('/(.*)', tornado.web.StaticFileHandler, {'path': 'www'})])"
    ".listen(PORT, '127.0.0.1'); tornado.ioloop.IOLoop.current().start()",
}
NODE = {
    "Express": "const e = require('express'), app = e(); app.use(e.static('www')); app.listen(PORT, '127.0.0.1')",
    "sirv": "const s = require('sirv')('www'); require('http').createServer((q, r) => s(q, r)).listen(PORT, '127.0.0.1')",
    "Hono": "const app = new (require('hono').Hono)(); app.use('/*', require('@hono/node-server/serve-static').serveStatic({ root: 'www' })); "
    "require('@hono/node-server').serve({ fetch: app.fetch, port: PORT, hostname: '127.0.0.1' })",
    "http-server": "require('http-server').createServer({ root: 'www' }).listen(PORT, '127.0.0.1')",
}


def get(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/f", headers={"Range": "Bytes=5-9"})
    answer = connection.getresponse()
    return answer, answer.read()


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
                answer, body = get(port)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        print(name, answer.status, *([len(body), "from", body[0]] if answer.status < 400 else []))
    finally:
        server.kill()
        server.wait()
PYTHON
seen=$(cd "$folder" && venv/bin/python ask.py)
echo "server, status, length of the body and its first byte (each byte is its place):"
echo "$seen"
[ "$seen" = 'Flask 206 5 from 5
Starlette 206 5 from 5
aiohttp 206 5 from 5
bottle 416
Tornado 200 102400 from 0
Express 200 102400 from 0
sirv 206 10 from 0
Hono 206 102400 from 0
http-server 416' ] || { echo "it changed" >&2; exit 1; }
