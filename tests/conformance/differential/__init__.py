"""Conformance to RFC 9110 by difference: what proxycache answers, the nginx behind it would have answered.

wire.py          requests, byte ranges and multipart/byteranges in the RFC's terms
versions.py      versions of an object, as files and as the validators nginx makes of them
locations.py     the nginx that is the origin, and what each of its locations says of freshness
sequences.py     sequences of requests out of a seed
deviations.py    where nginx leaves the RFC, and where the RFC leaves a choice: each by name and section
agreement.py     an answer against the file, and the two answers against each other
"""

import pytest

pytest.register_assert_rewrite("tests.conformance.differential.agreement", "tests.conformance.differential.wire")
