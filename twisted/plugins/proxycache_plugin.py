"""Names the ServiceMaker, nothing else."""

from twisted.application.service import ServiceMaker

proxycache = ServiceMaker(
    "proxycache",
    "proxycache.tap",
    "A caching, streaming reverse proxy for large files that are read in pieces.",
    "proxycache",
)
