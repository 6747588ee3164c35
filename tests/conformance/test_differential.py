"""The same requests through proxycache and straight to the nginx behind it.

A sequence is run again by its number: `pytest tests/conformance -k "agree and 137"`.
"""

from pathlib import Path

import pytest

from tests.conformance.agreement import assert_agree, assert_true
from tests.conformance.deviations import EQUIVALENTS, Pair, equivalent
from tests.conformance.sequences import NUMBER, SEED, Sequence, Step, sequence
from tests.conformance.wire import Request
from tests.servers.fetch import Answer, fetch
from tests.servers.nginx import Nginx
from tests.servers.proxycache import Proxycache


@pytest.mark.parametrize("number", range(NUMBER))
def test_answers_agree(nginx: Nginx, proxy: Proxycache, root: Path, number: int) -> None:
    asked = sequence(number)
    told: list[str] = []
    before = None
    for step in asked.steps:
        if step.version != before:
            step.version.put(root / asked.path)
            before = step.version
        _compare(nginx, proxy, asked, step, told)


def _compare(nginx: Nginx, proxy: Proxycache, asked: Sequence, step: Step, told: list[str]) -> None:
    understood = equivalent(step.request)
    direct = _answer(nginx.url + asked.path, understood)
    proxied = _answer(proxy.url + asked.path, step.request)
    told += [
        f"version {step.version}: {step.request}",
        f"  nginx: {_summary(direct)}",
        f"  proxycache: {_summary(proxied)}",
    ]
    try:
        assert_true(asked, step.version, understood, direct)
        assert_true(asked, step.version, step.request, proxied)
        assert_agree(Pair(understood, step.version, direct, proxied))
    except AssertionError as error:
        lines = "\n".join(told)
        raise AssertionError(f"{error}\nseed {SEED}, sequence {asked.number}, {asked.path}\n{lines}") from None


def _answer(url: str, request: Request) -> Answer:
    return fetch(url, headers=request.fields, method=request.method)


def _summary(answer: Answer) -> str:
    return f"{answer.status}, {len(answer.body)} bytes, {answer.fields}"


@pytest.mark.parametrize("rule", EQUIVALENTS)
def test_every_rule_is_needed(rule: object) -> None:
    assert callable(rule)
    requests = [step.request for number in range(NUMBER) for step in sequence(number).steps]
    assert any(rule(request) != request for request in requests)
