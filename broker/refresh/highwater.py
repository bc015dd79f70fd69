"""The high-water mark: how far each login had got, in a file of the home's own, outside the store.

A line for each mark: store id, login id, generation, revision, CRC-32. Appended and synced; read
once at the start and then written anew, with what still counts. A damaged line is passed over.
"""

import asyncio
import errno
import os
from binascii import crc32
from collections.abc import Iterable
from pathlib import Path

import structlog

from broker.domain.records import Account
from broker.domain.secondlife import Mark, mark_of
from fetchtoken.files.atomic import replace_file, sweep, write_all

__all__ = ["HighWater"]

_log = structlog.get_logger("broker.refresh")

_TOP = "-"
"""Stands for a login in the line that says how far the store as a whole had got."""

_GROWS_TO = 65_536
"""Bytes that may be appended before the file is written anew, beside three times its contents."""


class HighWater:
    """One store's marks in one home. Its file has no other writer: the caller holds the home's lock.

    Args:
        path: the file; made by :meth:`begin`.
        store_id: of which store. Marks of other stores are kept as they are.
    """

    def __init__(self, path: str, store_id: str) -> None:
        self._path = path
        self._store_id = store_id
        self._others: list[str] = []
        self._pending: list[str] = []
        self._turn = asyncio.Lock()
        self._fd: int | None = None
        self._room = 0
        self._unread = ""
        self.marks: dict[str, Mark] = {}
        """By login id."""
        self.top = 0
        """The newest revision ever marked; 0 where this home never marked this store."""
        self.error = ""
        """Why it cannot be written; empty while it can."""

    def read(self) -> None:
        """Read what the file holds; blocks on the disk.

        Raises:
            OSError: it is there and cannot be read. Nothing is written then, and so nothing sent.
        """
        try:
            text = Path(self._path).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            self.hold(f"it cannot be read: {error.strerror}")
            raise
        damaged = 0
        for line in text.split("\n")[:-1]:
            damaged += not self._take(line)
        if damaged:
            _log.warning("high_water_lines_damaged", file=self._path, lines=damaged)

    def hold(self, reason: str) -> None:
        """Write nothing until the next start, so that nothing is sent: what this home is cannot be known."""
        self.error = self._unread = reason

    async def begin(self, accounts: Iterable[Account], counter: int) -> None:
        """Start from the rows as they are, once it is known which of them are behind.

        Args:
            accounts: every row of the store.
            counter: the store's change counter.

        Raises:
            OSError: the file cannot be written.
        """
        self.marks = {account.login_id: mark_of(account) for account in accounts}
        self.top = max(self.top, counter)
        self._close()
        await self._flush()

    async def note(self, *accounts: Account) -> None:
        """Make durable how far logins have got; what was noted meanwhile goes along.

        Raises:
            OSError: it cannot be written; it will be with the next one.
        """
        for account in accounts:
            known = self.marks.get(account.login_id)
            if known is None or known < mark_of(account):
                self._raise(account.login_id, mark_of(account))
        await self._flush()

    async def keep(self, *accounts: Account) -> None:
        """Do the same where nothing depends on it: a failure is logged and shown, and never raised."""
        try:
            await self.note(*accounts)
        except OSError as error:
            names = [account.name for account in accounts]
            _log.error("high_water_not_written", file=self._path, error=error.strerror, accounts=names)

    async def reached(self, revision: int) -> None:
        """Mark how far the store has got, where no login moved, so that it is noticed if it is put back."""
        self.top = max(self.top, revision)
        self._pending.append(self._line(_TOP, Mark(0, self.top)))
        await self.keep()

    async def gone(self, account: Account) -> None:
        """Mark a login that leaves the store, so that a store in which it still is counts as put back."""
        self._raise(account.login_id, Mark(account.generation, account.revision + 1))
        await self.keep()

    async def mend(self) -> None:
        """Try again, where the last writing failed.

        Raises:
            OSError: it still cannot be written.
        """
        if self.error:
            await self._flush()

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _take(self, line: str) -> bool:
        body, _, check = line.rpartition(" ")
        words = body.split(" ")
        if len(words) != 4 or check != _check(body) or not (words[2] + words[3]).isdigit():
            return False
        store_id, login_id, mark = words[0], words[1], Mark(int(words[2]), int(words[3]))
        if store_id != self._store_id:
            self._others.append(line)
        else:
            self.top = max(self.top, mark.revision)
            if login_id != _TOP:
                self.marks[login_id] = max(mark, self.marks.get(login_id, mark))
        return True

    def _raise(self, login_id: str, mark: Mark) -> None:
        self.marks[login_id] = mark
        self.top = max(self.top, mark.revision)
        self._pending.append(self._line(login_id, mark))

    async def _flush(self) -> None:
        async with self._turn:
            if self._unread:
                # What it says of the store was never asked; writing it anew would hide the answer.
                raise OSError(errno.EIO, self._unread)
            whole = self._fd is None or self._room <= 0
            if not whole and not self._pending:
                return
            text = self._whole() if whole else "".join(self._pending)
            count = len(self._pending)
            try:
                await asyncio.to_thread(self._rewrite if whole else self._append, text.encode("ascii"))
            except OSError as error:
                # What an append left of a line must not be glued to the next one.
                self._close()
                self.error = error.strerror or str(error)
                raise
            del self._pending[:count]
            self.error = ""

    def _whole(self) -> str:
        lines = [self._line(_TOP, Mark(0, self.top))]
        lines += [self._line(login_id, mark) for login_id, mark in self.marks.items()]
        return "".join([*(line + "\n" for line in dict.fromkeys(self._others)), *lines])

    def _line(self, login_id: str, mark: Mark) -> str:
        body = f"{self._store_id} {login_id} {mark.generation} {mark.revision}"
        return f"{body} {_check(body)}\n"

    def _append(self, data: bytes) -> None:
        assert self._fd is not None  # noqa: S101 - _flush asks first
        write_all(self._fd, data)
        os.fdatasync(self._fd)
        self._room -= len(data)

    def _rewrite(self, data: bytes) -> None:
        self._close()
        sweep(self._path)
        replace_file(self._path, data)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._room = _GROWS_TO + 3 * len(data)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _check(body: str) -> str:
    return f"{crc32(body.encode('ascii', 'replace')):08x}"
