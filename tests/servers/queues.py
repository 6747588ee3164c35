"""What the kernel holds of a connection on this machine: written by one end, and not read by the other."""

from pathlib import Path

STEADY = 30
"""Looks in a row that find the same: longer than an acknowledgement may be delayed."""


class Standstill:
    """Waits for a connection to move no more, since its client reads nothing."""

    def __init__(self, server_port: int, client_port: int) -> None:
        self._ends = (server_port, client_port), (client_port, server_port)
        self.queued = -1
        """Bytes that the kernel holds, at the last look."""
        self._same = 0

    def reached(self) -> bool:
        """Whether they are the same as at many looks before."""
        before, self.queued = self.queued, self._look()
        self._same = self._same + 1 if before == self.queued else 0
        return self._same >= STEADY

    def _look(self) -> int:
        """Sent and not yet acknowledged, and received and not yet read."""
        total = 0
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            ports = tuple(int(address.partition(":")[2], 16) for address in (local, remote))
            if ports in self._ends:
                total += sum(int(queue, 16) for queue in queues.split(":"))
        return total
