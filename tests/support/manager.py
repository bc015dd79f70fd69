"""A service manager's socket, held by the test: what a daemon tells systemd."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Notices", "notices"]


class Notices:
    """What was told, in order.

    Attributes:
        address: for ``NOTIFY_SOCKET``.
        told: one table for each datagram so far.
    """

    def __init__(self, channel: socket.socket, address: str) -> None:
        self._channel = channel
        self.address = address
        self.told: list[dict[str, str]] = []

    def next(self, key: str) -> dict[str, str]:
        """Wait for a datagram that has a key; those before it are kept, too."""
        while True:
            lines = self._channel.recv(65536).decode().splitlines()
            self.told.append(dict(line.split("=", 1) for line in lines))
            if key in self.told[-1]:
                return self.told[-1]


@contextmanager
def notices(where: Path | str, *, within_s: float = 60.0) -> Iterator[Notices]:
    """Listen at a path that does not exist yet, or at ``@`` and an abstract name."""
    address = str(where)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(within_s)
        channel.bind("\0" + address[1:] if address.startswith("@") else address)
        yield Notices(channel, address)
