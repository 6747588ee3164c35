"""The black-box rig: real servers and an exact client, to test proxycache from outside.

    origin.py       an HTTP/1.1 origin in threads, with faults, gates, throttles and a log
    proxycache.py   the product, run by the real twistd
    nginx.py        a real nginx in front of it
    fetch.py        a blocking client that hides nothing
    byhand.py       both ends of a conversation, byte for byte

The origin's parts: pattern.py (content by offset), answers.py (what a right origin says), faults.py (what a
broken one does instead), exchange.py (one answer on the wire), wire.py (reading a request), journal.py (what
was asked and sent), gate.py (answers held back). Beside them: deadline.py, ports.py, tomltext.py.
"""
