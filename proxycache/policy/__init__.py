"""Decisions without I/O: every function is pure, and the time is an argument."""
