#!/usr/bin/env bash
# A hub's redirect to its store carries what huggingface_hub needs only while the store is on another host.
#
# Guess: what stands before a hub and its store may rewrite the redirect from one to the other to a path of its own, as
# nginx's proxy_redirect does: the client follows it as it did.
# Seen, with huggingface_hub 2.4.0: a redirect to another host is not followed by HEAD, and X-Repo-Commit and
# X-Linked-* are taken from it; one on the same host is followed, those fields are wanted of the last answer, which is
# the store's, and the download fails: "Distant resource does not seem to be on huggingface.co".
# So one host for both breaks every large file, and who goes there in the client's place has to keep those fields.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q huggingface_hub==2.4.0 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
seen=$(HF_HOME="$folder/hf" HF_HUB_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b"weights" * 1000
COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    store = keeps = ""

    def do_HEAD(self):
        redirects = "/resolve/" in self.path
        self.send_response(302 if redirects else 200)
        if redirects or self.keeps:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(BODY)))
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(BODY).hexdigest()}"')
        if redirects:
            self.send_header("Location", self.store + "/blob")
        self.send_header("ETag", '"of the store"')
        self.send_header("Content-Length", "0" if redirects else str(len(BODY)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        if "/resolve/" not in self.path:
            self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]

from huggingface_hub import hf_hub_download

for number, (told, store, keeps) in enumerate((
    ("the store is on another host", f"http://localhost:{port}", ""),
    ("it is on the same host", "", ""),
    ("it is on the same host, and tells the hub's fields", "", "yes"),
)):
    Hub.store, Hub.keeps = store, keeps
    try:
        path = hf_hub_download(f"org/model-{number}", "weights.bin", endpoint=f"http://127.0.0.1:{port}")
        outcome = "right" if open(path, "rb").read() == BODY else "wrong bytes"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error.__cause__ or error}"[:120]
    print(f"{told}: {outcome}")
PYTHON
)
echo "$seen"
