"""Clients that ask for one object while the origin's answer to the first of them is under way."""

from collections.abc import Sequence

from tests.integration.rig import Headers, Rig, Thing
from tests.servers.fetch import Answer, Stream, fetch


def ask_all(rig: Rig, url: str, headers: Sequence[Headers], method: str = "GET") -> list[Stream]:
    """Requests on connections of their own, all of which the product has read; nobody waits for an answer."""
    asking = [Stream(url, (*each, ("Connection", "close")), method=method, ask_only=True) for each in headers]
    # It reads what is there before what comes later.
    fetch(rig.proxy.url, method="OPTIONS")
    return asking


def answer_of(asking: Stream) -> Answer:
    """The answer to a request, whole."""
    with asking:
        asking.read_head()
        asking.answer.body = asking.rest()
    return asking.answer


def ask_while_one_is_under_way(
    rig: Rig, page: Thing, headers: Sequence[Headers], method: str = "GET", at_first: int = 1, then: int = 0
) -> list[Answer]:
    """All ask while the origin holds its first answers; the next C{then} are held until so many are asked for."""
    first = page.origin.gate(page.path)
    asking = ask_all(rig, page.url, headers, method)
    first.wait_held(at_first)
    with page.origin.gate(page.path) as others:
        if not then:
            others.release()
        first.release()
        others.wait_held(then)
    return [answer_of(each) for each in asking]
