#!/usr/bin/env bash
# MiniDLNA: a range whose end lies beyond the file is 416; a suffix, 400; a single first byte brings the whole as 206.
#
# Guess: RFC 9110, section 14.1.2: an end beyond the end means the rest, `bytes=-N` the last N bytes, `bytes=0-0` one byte.
# Seen with Debian's minidlna 1.3.0, of a file of 160,044 bytes: `bytes=150000-` 206 with 10,044 bytes, `bytes=150000-999999`
# 416, `bytes=-100` 400, `bytes=0-0` 206 with `bytes 0-160043/160044`, `bytes=0-1` 206 with two bytes.
# So a cache that rounds ranges up to whole pieces breaks players that its server would serve: ffprobe 5.1.9 ends with
# "Server returned 4XX Client Error" when it seeks to the index of an MP4.
set -euo pipefail
command -v minidlnad >/dev/null || { echo "needs Debian's minidlna" >&2; exit 1; }
folder=$(mktemp -d)
mkdir "$folder/media" "$folder/db"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 - "$folder/media/a.wav" <<'PYTHON'
import sys
import wave

with wave.open(sys.argv[1], "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate(8000)
    sound.writeframes(bytes(160_000))
PYTHON
printf 'port=%s\nmedia_dir=%s\ndb_dir=%s\nlog_dir=%s\nnetwork_interface=lo\ninotify=no\n' \
    "$port" "$folder/media" "$folder/db" "$folder/db" >"$folder/minidlna.conf"
minidlnad -d -R -f "$folder/minidlna.conf" -P "$folder/pid" >"$folder/log" 2>&1 &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT
url=http://127.0.0.1:$port/MediaItems/22.wav
for _ in $(seq 100); do
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url" || true)" = 200 ] && break
    sleep 0.2
done
seen=$(for range in 150000- 150000-999999 -100 0-0 0-1; do
    curl -s -o /dev/null -D "$folder/head" -w "$range %{http_code}" -r "$range" "$url"
    tr -d '\r' <"$folder/head" | sed -n 's/^Content-Range: / /ip' | tr -d '\n'
    echo
done)
echo "$seen"
[ "$seen" = '150000- 206 bytes 150000-160043/160044
150000-999999 416
-100 400
0-0 206 bytes 0-160043/160044
0-1 206 bytes 0-1/160044' ] || { echo "it changed" >&2; exit 1; }
