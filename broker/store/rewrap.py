"""Sealing a whole store anew under the current key, in small steps beside everything else.

A step reads some rows, opens and closes their boxes outside of any transaction, and writes each box
back only where the one it was made from still stands: ``UPDATE … WHERE key AND box``. A row that changed
meanwhile was sealed under the current key by whoever changed it. Nothing but the boxes changes, so no
revision is counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Row, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.seal.box import Seal, key_id_of_box
from broker.store.engine import Database
from broker.store.sealed import SEALED, SealedTable
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["Step", "boxes_by_key", "is_any_left", "rewrap_some"]

_ROWS = 100
"""In one transaction: short enough that others do not feel it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did."""

    after: str
    """Where the next one goes on; empty where the store is through."""
    rewrapped: int = 0
    """Boxes that were found under another key, and opened."""
    closed: tuple[str, ...] = ()
    """Contexts of those that do not open; they stay as they are."""


async def boxes_by_key(connection: AsyncConnection) -> Counter[str]:
    """Count the boxes under each key id."""
    found: Counter[str] = Counter()
    for sealed in SEALED:
        for name in sealed.contexts:
            key_id = _key_id(sealed.table.c[name])
            counted = select(key_id, func.count()).where(sealed.table.c[name].is_not(None)).group_by(key_id)
            for raw, count in await connection.execute(counted):
                found[bytes(raw).hex()] += count
    return found


async def rewrap_some(database: Database, seal: Seal, after: str = "") -> Step:
    """Seal the next rows anew that have a box under another key than the current one.

    Args:
        database: the store's.
        seal: its current key is the one to come to.
        after: where the last step ended; empty to begin.

    Raises:
        Unavailable: the database does not answer; what the steps before did stands.
    """
    sealed, rows = await _find(database, seal, after)
    if sealed is None:
        return Step("")
    changes, closed = _reseal(sealed, rows, seal)
    async with database.write() as connection:
        for name, boxes in changes.items():
            column = sealed.table.c[name]
            same = and_(sealed.key == bindparam("_key"), column == bindparam("_old"))
            statement = update(sealed.table).where(same).values({name: bindparam("_new")})
            await connection.execute(statement, boxes)
    done = sum(len(boxes) for boxes in changes.values())
    return Step(f"{sealed.table.name} {_key_of(sealed, rows[-1])}", done, closed)


async def is_any_left(database: Database, seal: Seal) -> bool:
    """Tell whether a box stands under another key that could be sealed anew."""
    after = ""
    while True:
        sealed, rows = await _find(database, seal, after)
        if sealed is None:
            return False
        if _reseal(sealed, rows, seal)[0]:
            return True
        after = f"{sealed.table.name} {_key_of(sealed, rows[-1])}"


async def _find(database: Database, seal: Seal, after: str) -> tuple[SealedTable | None, Sequence[Row[Any]]]:
    """Return the next rows that have a box under another key, and whose they are."""
    name, _, last = after.partition(" ")
    names = [sealed.table.name for sealed in SEALED]
    async with database.read() as connection:
        for sealed in SEALED[names.index(name) if name else 0 :]:
            wanted = or_(
                *(_key_id(sealed.table.c[box]) != bytes.fromhex(seal.keys.current) for box in sealed.contexts)
            )
            if sealed.table.name == name:
                wanted = and_(wanted, sealed.key > sealed.key.type.python_type(last))
            query = select(sealed.table).where(wanted).order_by(sealed.key).limit(_ROWS)
            if rows := (await connection.execute(query)).all():
                return sealed, rows
    return None, ()


def _reseal(
    sealed: SealedTable, rows: Sequence[Row[Any]], seal: Seal
) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    """Return the new boxes by column, and the contexts of those that do not open."""
    changes: dict[str, list[dict[str, Any]]] = {}
    closed: list[str] = []
    for row in rows:
        for name, context_of in sealed.contexts.items():
            old = row._mapping[name]  # noqa: SLF001 - SQLAlchemy's documented accessor
            if old is None or key_id_of_box(old) == seal.keys.current:
                continue
            context = context_of(row)
            try:
                new = seal.close(seal.open(old, context), context)
            except FetchTokenError:
                closed.append(context)
            else:
                change = {"_key": _key_of(sealed, row), "_old": old, "_new": new}
                changes.setdefault(name, []).append(change)
    return changes, tuple(closed)


def _key_of(sealed: SealedTable, row: Row[Any]) -> Any:
    return row._mapping[sealed.key.name]  # noqa: SLF001 - SQLAlchemy's documented accessor


def _key_id(box: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the SQL of :func:`broker.seal.box.key_id_of_box`."""
    return func.substr(box, 2, 4, type_=LargeBinary)
