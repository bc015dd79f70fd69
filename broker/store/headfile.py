"""The head of a home's chain, in a file outside the store: without it a cut end could not be seen.

Two slots are written in turn, each with a mac of its own, so that one of them is whole whatever
happens to the other. They follow each commit; a kill between the two leaves the file behind the
store, which is no harm, never ahead of it. A new chain's file waits as ``.new`` until the chain's
first record is committed.
"""

import os
import time
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from broker.domain.chain import Head, Mac
from fetchtoken.files.atomic import fsync_dir

__all__ = ["Found", "HeadFile"]

_SLOT = 256
_SYNC_EVERY_S = 1.0


class Found(NamedTuple):
    """What lies there: a head, or neither of the two where nothing does."""

    head: Head | None = None
    forged: bool = False
    """It holds what was not written under this store's key."""


class HeadFile:
    """One head file; safe to be used from several threads. Its methods touch the disk.

    Args:
        path: the file.
        mac: under the key for heads.
    """

    def __init__(self, path: Path, mac: Mac) -> None:
        self.path = path
        self.head: Head | None = None
        """What was written last by this process, or taken over at its start."""
        self._new = path.with_name(path.name + ".new")
        self._mac = mac
        self._fd = -1
        self._turn = 0
        self._behind = False
        self._synced_s = time.monotonic()
        self._lock = Lock()

    def read(self) -> Found:
        """Return what the file says.

        Raises:
            OSError: it is there and cannot be read.
        """
        with self._lock:  # what is being written would read as forged
            return self._read(self.path)

    def read_new(self) -> Head | None:
        """Return the head of a chain that was about to begin, where its first record may be committed."""
        return self._read(self._new).head

    def begin(self, head: Head) -> None:
        """Write a new chain's file beside the old one, durable, before its first record is committed.

        Raises:
            OSError: it cannot be written.
        """
        self._new.unlink(missing_ok=True)
        fd = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, self._slot(head) * 2, 0)
            os.fsync(fd)
        finally:
            os.close(fd)

    def take(self, head: Head, *, new: bool) -> None:
        """Go on from a head: from a new chain's, once its first record is committed, or from the file's.

        Raises:
            OSError: the file cannot be opened for writing.
        """
        if new:
            with suppress(FileNotFoundError):  # another process that opens the store did it
                self._new.replace(self.path)
            fsync_dir(self.path.parent)
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        with self._lock:
            self._fd, self.head = fd, head

    def advance(self, head: Head) -> None:
        """Follow a commit; never goes back. Durable within a second of the next call, or at the close.

        Raises:
            OSError: it cannot be written; :meth:`ensure` tries again.
        """
        with self._lock:
            if self.head is not None and head.seq <= self.head.seq:
                return
            self.head = head
            self._behind = True
            self._write()

    def ensure(self) -> None:
        """Return when the file is up to date and, at most once a second, durable.

        Raises:
            OSError: it is not.
        """
        with self._lock:
            if self._behind:
                self._write()
            now_s = time.monotonic()
            if now_s - self._synced_s >= _SYNC_EVERY_S:
                os.fsync(self._fd)
                self._synced_s = now_s

    def goes_on(self, head: Head) -> bool:
        """Tell whether a store with this head lacks nothing that was told here.

        Ask within the write transaction that read it: a chain that was cut must not grow past its head.
        """
        known = self.written
        if known is None or head.seq > known.seq:
            return True
        return head == known

    @property
    def written(self) -> Head | None:
        """What the file holds at least, by this process's own doing."""
        with self._lock:
            return self.head

    def close(self) -> None:
        """Make the file durable, where the disk lets us, and close it."""
        with self._lock:
            if self._fd < 0:
                return
            with suppress(OSError):  # behind the store is where it may be
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _write(self) -> None:
        if self.head is None or self._fd < 0:
            return
        self._turn ^= 1
        os.pwrite(self._fd, self._slot(self.head), self._turn * _SLOT)
        self._behind = False

    def _slot(self, head: Head) -> bytes:
        text = f"{head.chain} {head.seq} {head.mac.hex()}"
        return f"{text} {self._mac(text.encode()).hex()}".ljust(_SLOT - 1).encode() + b"\n"

    def _read(self, path: Path) -> Found:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return Found()
        heads = [self._parse(data[:_SLOT]), self._parse(data[_SLOT:])]
        whole = [head for head in heads if head is not None]
        if len(whole) != len(heads) or whole[0].chain != whole[1].chain:
            return Found(forged=True)
        return Found(max(whole, key=lambda head: head.seq))

    def _parse(self, slot: bytes) -> Head | None:
        text, _, tag = slot.rstrip(b" \n").rpartition(b" ")
        if not compare_digest(self._mac(text).hex().encode(), tag):
            return None
        chain, seq, mac = text.decode().split(" ")
        head = Head(chain, int(seq), bytes.fromhex(mac))
        return head if slot == self._slot(head) else None
