"""What people must know of the SSH front door to use it."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.ops.hostkey import HostKey, load_host_key, make_host_key

__all__ = ["FrontDoorOperations"]

_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class FrontDoorOperations:
    """Tell where it is and how it is recognised.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ssh_door(self, actor: Actor) -> dict[str, Any] | None:  # noqa: ARG002 - all operations take one
        """Return address, fingerprint and known_hosts line; ``None`` where ``ssh.listen`` is off.

        Raises:
            ConfigError, Unsafe, Malformed: the host key cannot be made or used.
        """
        address = self._desk.ssh_address
        if address is None:
            return None
        key = await asyncio.to_thread(_key, self._desk.home.ssh_host_key)
        listens, port = address
        host = self._desk.public_host or (socket.gethostname() if listens in _ANY_ADDRESS else listens)
        return {
            "host": host,
            "port": port,
            "fingerprint": key.fingerprint,
            "known_hosts": key.known_hosts(host, port),
        }


def _key(path: Path) -> HostKey:
    make_host_key(path)
    return load_host_key(path)
