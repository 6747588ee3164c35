"""Scenarios that spend their time waiting: those of a file run at the same time, each a test of its own."""

from collections.abc import Callable
from concurrent.futures import Future

from tests.integration.rig import Rig

Scenario = Callable[[Rig], None]
Running = dict[str, "Future[None]"]


class Scenarios:
    """A file's scenarios, by name. They share the origin, so each keeps to objects of its own.

    The file calls this one `SLOW` and has, before its other tests::

        @pytest.mark.parametrize("name", SLOW.names)
        def test_slow(running: Running, name: str) -> None:
            running[name].result()
    """

    def __init__(self) -> None:
        self.all: dict[str, Scenario] = {}

    def __call__(self, scenario: Scenario) -> Scenario:
        """Add one: to be used as a decorator."""
        self.all[scenario.__name__] = scenario
        return scenario

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self.all)
