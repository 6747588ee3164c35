#!/usr/bin/env bash
# PRAGMA incremental_vacuum(N) gives back one page, not N, where a driver steps the statement once.
#
# Guess: an execute() of it gives back N pages.
# Seen, with 500 free pages and N = 200: pysqlite3 0.5.4.post2 (SQLite 3.51.1) and APSW 3.54.1.0 (SQLite 3.54.1) give back
# one, and the others only when the cursor is fetched from, although there are no rows to fetch.
# So a database that is to shrink hardly does, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pysqlite3-binary==0.5.4.post2 apsw==3.54.1.0 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
seen=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import apsw
from pysqlite3 import dbapi2

opened = {
    "pysqlite3": dbapi2.connect(f"{sys.argv[1]}/one.sqlite", isolation_level=None),
    "apsw": apsw.Connection(f"{sys.argv[1]}/two.sqlite"),
}
for name, connection in opened.items():
    def free():
        return connection.execute("PRAGMA freelist_count").fetchone()[0]

    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("CREATE TABLE t (b)")
    for _ in range(500):
        connection.execute("INSERT INTO t VALUES (zeroblob(4000))")
    connection.execute("DELETE FROM t")
    before = free()
    cursor = connection.execute("PRAGMA incremental_vacuum(200)")
    executed = before - free()
    cursor.fetchall()
    print(name, executed, before - free())
PYTHON
)
echo "driver, pages given back by execute(), and after fetchall():"
echo "$seen"
[ "$seen" = $'pysqlite3 1 200\napsw 1 200' ] || { echo "it changed" >&2; exit 1; }
