"""The public suite for HTTP caches (npm: http-cache-tests) against the product.

What is disputed is listed in `disputed.toml`, with the reasons.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.publicsuite import Score, run_suite, suite_origin
from tests.servers.proxycache import ROOT, Proxycache

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "M-SEARCH"]
OPTIMAL = 85

Scores = dict[str, Score]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory, disputed: set[str]) -> Scores:
    """Every test of the suite, by its id."""
    directory = tmp_path_factory.mktemp("suite")
    with (
        suite_origin(directory) as url,
        Proxycache(directory, url, config={"origin": {"methods": METHODS, "set_cookie": "keep"}}) as proxy,
    ):
        found = run_suite(proxy.url, directory, disputed)
        proxy.assert_clean_log()
    return {score.id: score for score in found}


@pytest.fixture(scope="module")
def disputed() -> set[str]:
    groups = tomllib.loads(Path(__file__).with_name("disputed.toml").read_text("utf-8"))
    assert all(group["reason"] for group in groups.values())
    return {id for group in groups.values() for id in group["tests"]}


def table(scores: Scores) -> str:
    """Passed of all, by kind."""
    total = Counter(score.kind for score in scores.values())
    passed = Counter(score.kind for score in scores.values() if score.passed)
    return "\n".join(f"| {kind} | {passed[kind]} | {total[kind]} |" for kind in ("required", "optimal", "check"))


def failed(scores: Scores, kind: str) -> dict[str, str]:
    return {
        score.id: f"{score.outcome}: {score.why}"
        for score in scores.values()
        if score.kind == kind and not score.passed
    }


def test_it_is_the_suite_that_is_meant(scores: Scores) -> None:
    assert Counter(score.kind for score in scores.values()) == {"required": 165, "optimal": 95, "check": 90}


def test_all_that_is_required_and_not_disputed_passes(scores: Scores, disputed: set[str]) -> None:
    print(table(scores))
    wrong = {id: why for id, why in failed(scores, "required").items() if id not in disputed}
    assert wrong == {}


def test_most_of_what_is_optimal_passes(scores: Scores, disputed: set[str]) -> None:
    wrong = failed(scores, "optimal")
    assert 95 - len(wrong) >= OPTIMAL, wrong
    assert set(wrong) <= disputed


def test_what_is_disputed_is_in_the_suite_and_fails(scores: Scores, disputed: set[str]) -> None:
    assert disputed <= set(scores)
    assert [id for id in sorted(disputed) if scores[id].passed] == []


def test_the_documentation_shows_these_figures(scores: Scores) -> None:
    text = (ROOT / "docs" / "http.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:required|optimal) \| \d+ \| \d+ \|$", text, re.MULTILINE)
    assert rows == table(scores).splitlines()[:2]
