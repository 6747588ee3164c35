"""Tests of the pure decisions: no reactor, no files, the time is an argument."""
