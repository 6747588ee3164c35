"""What may break beneath the cache (files, disk, database, process), broken for real under a running twistd.

    rig.py          an origin, the product and objects, with the questions that all tests ask
    index.py        a look into the product's database, and what an operator or a bug may do to it
    damage.py       what may happen to a cache file
    faultydisk.py   a disk that fails, lies or hangs: faultydisk.c, preloaded into the product
    killing.py      the product's death in the middle of its work
    crowd.py        several clients at once

faultydisk.c is compiled once a run: Debian's gcc and libc6-dev are needed.
"""
