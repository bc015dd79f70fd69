"""Unix sockets by path: who is at the other end, and paths that are too long for the kernel."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Peer", "address_of", "listen", "peer_of"]

_LONGEST = 100
"""``sun_path`` holds 108 bytes (unix(7)); a little is kept back."""


class Peer(NamedTuple):
    """The process that connected, as the kernel knows it."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """Return who connected (``SO_PEERCRED``, socket(7)): the effective ids at that moment."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Peer(*struct.unpack("3i", raw))


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give an address under which a socket file can be bound or reached, however long its path."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path) -> socket.socket:
    """Bind a socket file that only its owner can reach, in place of one that a crash left.

    The caller holds the home's lock, so no living daemon listens there.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        with address_of(path) as address:
            listener.bind(address)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener
