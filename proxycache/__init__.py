"""proxycache: a streaming, caching reverse proxy for large files that are read in pieces.

How bytes go from origin to client::

    client <-- web <-- stream <-- fill <-- origin
                          |         |
                          +- store -+

C{web} turns a request into a target and an answer's head. C{stream} owns the body: one cursor, one state
machine (L{proxycache.policy.serving}), one producer at a time. C{fill} says when bytes can be read, or why not,
and fetches what is missing, once for everybody. C{store} keeps bytes (cache files) and facts (the database).
C{origin} speaks to the outside. C{policy} decides and touches nothing.

Imports go downwards only: errors, policy, accounts, interfaces, log, then origin and store, fill, stream, web,
config, service, tap, cli.
"""

__version__ = "0.1.0"
