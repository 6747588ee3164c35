"""What is stored belongs to the URL it came from: another configuration on the same directory uses none of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.rig import exact, told
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Body, Literal, Origin
from tests.servers.proxycache import Config, Proxycache

Answers = Callable[..., list[Answer]]


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """One origin; it answers by the query where there is one."""
    with Origin() as origin:
        origin.put("/film", b"I am A")
        origin.put("/page", b"everybody's page")
        origin.put("/page?user=1", b"the first user's page")
        yield origin


@pytest.fixture(scope="module")
def other(origin: Origin) -> Iterator[Origin]:
    """Another one, under whose paths other things lie."""
    with Origin() as other:
        other.put("/film", b"I am B")
        yield other


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    """Start the product on the test's one cache directory, ask it for some targets, and stop it again."""

    def ask(url: str, *targets: str, config: Config | None = None) -> list[Answer]:
        by_options = config is None
        with Proxycache(tmp_path, url, config=config, by_options=by_options) as proxy:
            got = [fetch(proxy.url + target) for target in targets]
        proxy.assert_clean_log()
        return got

    return ask


def body(text: bytes) -> Body:
    return Literal(text)


def test_another_origin(answers: Answers, origin: Origin, other: Origin) -> None:
    cold, hot = answers(origin.url, "film", "film")
    exact(cold, body(b"I am A"))
    assert hot.cache_status == "proxycache; hit"
    (elsewhere,) = answers(other.url, "film")
    exact(elsewhere, body(b"I am B"))
    assert elsewhere.cache_status == "proxycache; fwd=uri-miss; stored", told(elsewhere)
    (back,) = answers(origin.url, "film")
    exact(back, body(b"I am A"))
    assert back.cache_status == "proxycache; hit", told(back)


def test_a_parameter_that_counts_again(answers: Answers, origin: Origin) -> None:
    """It was taken for one that means nothing, and what came for it was stored for all."""
    (personal,) = answers(origin.url, "page?user=1", config={"origin": {"ignore_query": ["user"]}})
    exact(personal, body(b"the first user's page"))
    again = answers(origin.url, *("page", "page?user=1") * 2, config={})
    for common, personal in (again[:2], again[2:]):
        exact(common, body(b"everybody's page"))
        exact(personal, body(b"the first user's page"))
    assert [answer.cache_status for answer in again[2:]] == ["proxycache; hit"] * 2
