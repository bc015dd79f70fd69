"""Where a process writes the audit trail: its home's chain, gone on with or begun anew.

The chain of a home is the one that its head file names. It is gone on with where the store holds at
least what that file says; else a new one begins, and its record 0 says why. Writers take turns by the
chain's row in ``audit_heads`` and tell the head file after their commit.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, type_coerce, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from broker.domain.audit import Action
from broker.domain.chain import OLDER, Head, Mac, Reason, Row, Start, extend, link, parse_start
from broker.domain.records import AuditRecord
from broker.store.audit import read_rows
from broker.store.changes import read_counter
from broker.store.engine import Database
from broker.store.headfile import HeadFile
from broker.store.keys import StoreKeys
from broker.store.root import read_root, write_root
from broker.store.tables import audit, audit_heads
from fetchtoken.domain.errors import Unavailable, Unsafe

__all__ = ["Appending", "Trail", "open_trail", "read_heads"]

_PAGE = 2000
_insert = insert(audit)
# As they are, of whatever type, as in the trail itself.
_raw_heads = select(*(type_coerce(column, NullType()).label(column.name) for column in audit_heads.c))
_head_of = _raw_heads.where(audit_heads.c.chain == bindparam("of"))
_move = update(audit_heads).where(audit_heads.c.chain == bindparam("of"))


class Trail:
    """The chain that a process writes to.

    Args:
        file: the home's head file, which names the chain.
        chain: its name.
        mac: under the trail's key.
        began: what its record 0 says, where it began just now.
    """

    def __init__(self, file: HeadFile, chain: str, mac: Mac, began: Start | None) -> None:
        self.file = file
        self.chain = chain
        self.mac = mac
        self.began = began

    def within(self, connection: AsyncConnection) -> "Appending":
        """Return what writes to the trail in a write transaction."""
        return Appending(self, connection)

    def close(self) -> None:
        """Make the head file durable and close it."""
        self.file.close()


class Appending:
    """The records of one write transaction.

    Args:
        trail: the chain.
        connection: in the transaction.
    """

    __slots__ = ("_connection", "_head", "_trail")

    def __init__(self, trail: Trail, connection: AsyncConnection) -> None:
        self._trail = trail
        self._connection = connection
        self._head: Head | None = None

    async def append(self, *records: AuditRecord) -> None:
        """Write records at the chain's end.

        Raises:
            Unavailable: somebody tore the chain's end away under us (code ``audit``).
        """
        chain = self._trail.chain
        found = await self._connection.execute(_head_of.with_for_update(), {"of": chain})
        row = found.one_or_none()
        if row is None or not _is_head(Head._make(row)):
            raise _torn(chain, "it has no head")
        if not self._trail.file.goes_on(Head._make(row)):
            raise _torn(chain, "it ends before its head file does")
        rows, self._head = extend(self._trail.mac, Head._make(row), records)
        try:
            await self._connection.execute(_insert, [_named(values) for values in rows])
        except IntegrityError as error:
            raise _torn(chain, str(error.orig)) from None
        moved = _move.values(seq=self._head.seq, mac=self._head.mac)
        await self._connection.execute(moved, {"of": chain})

    def undone(self) -> None:
        """Note that the transaction was rolled back."""
        self._head = None

    def committed(self) -> None:
        """Tell the head file, once the transaction is durable.

        A head that cannot be written harms no change that was made; it keeps tokens from leaving
        (:meth:`broker.store.engine.AuditSink.write`) until it can be again.
        """
        if self._head is not None:
            try:
                self._trail.file.advance(self._head)
            except OSError:
                return


class _Verdict(NamedTuple):
    """What the head file and the store make of each other."""

    heads: dict[str, Head]
    """Of every chain in the store."""
    head: Head | None = None
    """From where to go on, or ``None`` where a new chain must begin."""
    new: bool = False
    """Whether that chain's file waits beside the old one."""
    reason: Reason = Reason.NEW
    lost: Head | None = None


async def open_trail(  # noqa: PLR0913 - a record; its fields are named at the call
    database: Database,
    keys: StoreKeys,
    path: Path,
    *,
    now: Callable[[], float],
    random_bytes: Callable[[int], bytes],
    restored: bool = False,
) -> Trail:
    """Go on with the home's chain, or begin a new one.

    Args:
        database: of the current schema.
        keys: the store's.
        path: the head file.
        now: epoch seconds.
        random_bytes: a strong source, for a new chain's name.
        restored: begin a new one: the store has just been put back from a backup.

    Raises:
        Unsafe: the head file cannot be read or written (code ``audit``).
        Unavailable: the database does not answer.
    """
    file = HeadFile(path, keys.audit_head)
    home = f"{os.uname().nodename}:{path.parent.resolve()}"
    began: Start | None = None
    try:
        async with database.read() as connection:
            verdict = await _judge(connection, file, keys, home)
        head, new = verdict.head, verdict.new
        if restored or head is None:
            async with database.write() as connection:
                # Another process may have begun it meanwhile.
                verdict = await _judge(connection, file, keys, home)
                head, new = verdict.head, verdict.new
                if restored or head is None:
                    began = await _start(connection, keys.audit, verdict, home, restored=restored)
                    at = AuditRecord(now(), Action.AUDIT_BEGUN, detail=began.to_detail())
                    head, new = await _begin(connection, keys, file, random_bytes(8).hex(), at), True
        file.take(head, new=new)
    except OSError as error:
        raise Unsafe(
            f"the audit head {path} cannot be written: {error.strerror}",
            hint="no token leaves without it: free or mend the disk",
            code="audit",
        ) from None
    return Trail(file, head.chain, keys.audit, began)


async def read_heads(connection: AsyncConnection) -> dict[str, Head]:
    """Return the newest record of every chain, as the store's own table has it.

    What somebody put there that is no head is left out.
    """
    heads = [Head._make(row) for row in await connection.execute(_raw_heads)]
    return {head.chain: head for head in heads if _is_head(head)}


def _is_head(head: Head) -> bool:
    return isinstance(head.chain, str) and isinstance(head.seq, int) and isinstance(head.mac, bytes)


async def _judge(connection: AsyncConnection, file: HeadFile, keys: StoreKeys, home: str) -> _Verdict:
    heads = await read_heads(connection)
    new = file.read_new()
    if new is not None and await _holds(connection, heads, new):
        return _Verdict(heads, new, new=True)
    head, forged = file.read()
    if head is not None:
        if await _holds(connection, heads, head):
            return _Verdict(heads, head)
        return _Verdict(heads, reason=Reason.BEHIND, lost=head)
    if not heads and (await read_root(connection, keys.seal)).begun:
        return _Verdict(heads, reason=Reason.ERASED)
    if not (heads or await read_rows(connection, None, 1)):
        return _Verdict(heads)
    if forged:
        return _Verdict(heads, reason=Reason.HEAD_FORGED)
    if not heads:
        return _Verdict(heads, reason=Reason.UPGRADED)
    before = await _has_written(connection, keys.audit, home)
    return _Verdict(heads, reason=Reason.HEAD_MISSING if before else Reason.HOME)


async def _holds(connection: AsyncConnection, heads: dict[str, Head], head: Head) -> bool:
    """Tell whether the store comes up to a head."""
    known = heads.get(head.chain)
    if known is None or known.seq < head.seq:
        return False
    place = (audit.c.chain == head.chain) & (audit.c.seq == head.seq)
    found = await connection.execute(select(audit.c.mac).where(place))
    return found.scalar_one_or_none() == head.mac


async def _has_written(connection: AsyncConnection, mac: Mac, home: str) -> bool:
    """Tell whether a chain here was begun by a home."""
    rows = await connection.execute(select(audit).where(audit.c.seq == 0, audit.c.chain != OLDER))
    for row in rows:
        record = AuditRecord._make(row[2:-1])
        start = parse_start(record.detail)
        if start is not None and start.home == home and link(mac, b"", row.chain, 0, record) == row.mac:
            return True
    return False


async def _start(
    connection: AsyncConnection, mac: Mac, verdict: _Verdict, home: str, *, restored: bool
) -> Start:
    lost = verdict.lost
    if restored and verdict.head is not None and not await _holds(connection, verdict.heads, verdict.head):
        lost = verdict.head
    return Start(
        reason=Reason.RESTORED if restored else verdict.reason,
        home=home,
        revision=await read_counter(connection),
        others=tuple(sorted(verdict.heads.values())),
        older=None if verdict.heads else await _older(connection, mac),
        lost=lost,
    )


async def _older(connection: AsyncConnection, mac: Mac) -> Head | None:
    """Return number and closing mac of the records without a chain."""
    count, before, after = 0, b"", (OLDER, -1)
    while rows := await read_rows(connection, after, _PAGE, of=OLDER):
        for row in rows:
            count, before = count + 1, link(mac, before, OLDER, row.seq, AuditRecord._make(row[2:-1]))
        after = (OLDER, rows[-1].seq)
    return Head(OLDER, count, before) if count else None


async def _begin(
    connection: AsyncConnection, keys: StoreKeys, file: HeadFile, chain: str, record: AuditRecord
) -> Head:
    [row], head = extend(keys.audit, Head(chain, -1, b""), [record])
    root = await read_root(connection, keys.seal)
    begun = len(await read_heads(connection)) if root.begun is None else root.begun
    await write_root(connection, keys.seal, replace(root, begun=begun + 1))
    file.begin(head)
    await connection.execute(_insert, _named(row))
    await connection.execute(insert(audit_heads), head._asdict())
    return head


def _named(row: Row) -> dict[str, Any]:
    return dict(zip(audit.c.keys(), row, strict=True))


def _torn(chain: str, why: str) -> Unavailable:
    return Unavailable(
        f"audit chain {chain} does not go on from where this broker left it: {why}",
        hint="codex-broker audit verify; a restart begins a new chain",
        code="audit",
    )
