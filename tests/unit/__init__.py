"""Tests of one part at a time, with a clock of their own and small fakes."""
