"""The files of docs/deploy fit what they deploy."""

import re

from proxycache.config import Fetch
from proxycache.origin.timeouts import Timeouts
from proxycache.policy.failing import MAX_REST_SECONDS
from proxycache.policy.retrying import MAX_ATTEMPTS, retry_delay
from proxycache.web.exchange import SEND_TIMEOUT_SECONDS
from tests.servers.nginx import DEPLOYED


def seconds(directive: str) -> float:
    """What nginx waits."""
    (told,) = re.findall(rf"^\s*{directive} (\d+)s;$", DEPLOYED.read_text(), re.MULTILINE)
    return float(told)


def longest_silence(fetch: Fetch) -> tuple[float, float]:
    """Seconds without a byte until a client is told that it gets none, and until a body that was begun is given up."""
    queue = Timeouts().queue
    request = fetch.resolve_timeout + fetch.connect_timeout + fetch.first_byte_timeout
    # Once more where the connection was a kept one.
    first = MAX_REST_SECONDS + queue + fetch.first_byte_timeout + request
    pauses = sum(max(MAX_REST_SECONDS, retry_delay(failures) or 0) for failures in range(MAX_ATTEMPTS))
    attempts = queue + MAX_ATTEMPTS * request + pauses
    # Stalled; resumed; fetched again; passed through.
    return first, fetch.idle_timeout + attempts + fetch.retry_attempts * fetch.retry_timeout + attempts


def test_nginx_waits_longer_than_we_do_for_an_origin() -> None:
    first, begun = longest_silence(Fetch())
    assert first < begun < seconds("proxy_read_timeout")
    assert first < seconds("proxy_send_timeout")


def test_nginx_has_more_patience_with_clients_than_we_have() -> None:
    assert seconds("send_timeout") > SEND_TIMEOUT_SECONDS
