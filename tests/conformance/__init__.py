"""Conformance to the RFCs: the public suite, conversations over raw sockets, and the difference to nginx."""
