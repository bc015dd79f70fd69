"""A new file whose space is set aside before its content is known: for what must not be lost."""

from __future__ import annotations

import os
from contextlib import suppress

from fetchtoken.files.atomic import fsync_dir, keep_owner, write_all

__all__ = ["SIZE", "Reserved"]

SIZE = 64 * 1024
"""Bytes set aside; larger content takes what the disk still has."""


class Reserved:
    """A neighbour of a file, 0600, that takes its place in one step.

    Args:
        path: the file, existing or not; a symbolic link is itself replaced, not followed.

    Raises:
        OSError: there is no room, or the directory cannot be written; nothing is left.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._directory, name = os.path.split(path)
        self._temporary = os.path.join(self._directory, f".{name}.{os.urandom(6).hex()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(self._temporary, flags, 0o600)
        try:
            keep_owner(self._fd, path)
            write_all(self._fd, bytes(SIZE))
            os.fsync(self._fd)
        except BaseException:
            self.discard()
            raise

    def put(self, data: bytes) -> None:
        """Write the content and put the file in its place; durable when this returns.

        Raises:
            OSError: the old file stands; only where the directory's own fsync failed, the new one.
        """
        os.lseek(self._fd, 0, os.SEEK_SET)
        write_all(self._fd, data)
        os.ftruncate(self._fd, len(data))
        os.fsync(self._fd)
        os.replace(self._temporary, self._path)
        self._temporary = ""
        if os.name == "posix":
            fsync_dir(self._directory)

    def discard(self) -> None:
        """Give the space back, unless the file is in its place; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = ""
