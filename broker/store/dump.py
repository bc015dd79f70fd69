"""All of a store as lines of text, and back: by the tables' own description, in no database's language.

::

    {"table": "accounts", "columns": ["id", "name", …]}     then its rows, one a line:
    [1, "work", …, {"b": "base64 of bytes"}, …]

Tables come in the order in which rows may refer to each other. Boxes stay sealed as they are. A table
or column that is added to :mod:`broker.store.tables` is in the next dump without a change here.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import column, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.store.sealed import SEALED
from broker.store.tables import metadata
from fetchtoken.domain.errors import Malformed

__all__ = ["dump", "key_ids", "lines_of", "load"]

_ROWS_AT_ONCE = 500

Row = dict[str, Any]
Change = Callable[[str, Row], Row]


def _as_it_was(_table: str, row: Row) -> Row:
    return row


async def key_ids(connection: AsyncConnection) -> frozenset[str]:
    """Return the ids of the master keys that the boxes of a store name in their headers."""
    found: set[str] = set()
    for each in (held.table.c[name] for held in SEALED for name in held.contexts):
        # The header: one byte of version, four of key id (broker.seal.box).
        named = select(func.substr(each, 2, 4)).where(each.is_not(None)).distinct()
        found |= {bytes(key_id).hex() for key_id in (await connection.execute(named)).scalars()}
    return frozenset(found)


async def dump(connection: AsyncConnection, write: Callable[[bytes], None]) -> dict[str, int]:
    """Write all rows of all tables, as one read transaction sees them; return how many by table.

    Args:
        connection: all of whose statements see one state of the database.
        write: takes lines; called in a thread, since it may seal and write to a disk.
    """

    def put(rows: Iterable[Iterable[Any]]) -> None:
        write(b"".join(_line(tuple(row)) for row in rows))

    counts = {}
    for each in metadata.sorted_tables:
        write(_line({"table": each.name, "columns": [one.name for one in each.columns]}))
        counts[each.name] = 0
        rows = await connection.stream(select(each).order_by(*each.primary_key.columns))
        async for some in rows.partitions(_ROWS_AT_ONCE):
            await asyncio.to_thread(put, some)
            counts[each.name] += len(some)
    return counts


async def load(
    connection: AsyncConnection, lines: Iterable[bytes], name: str, change: Change = _as_it_was
) -> dict[str, int]:
    """Insert what :func:`dump` wrote into empty tables of the schema that it came from.

    Args:
        connection: a write transaction.
        lines: as they were written.
        name: the file, for messages.
        change: called with each row's table and values, before it is put in.

    Returns:
        How many rows by table.

    Raises:
        Malformed: it is no dump.
    """
    counts: Counter[str] = Counter()
    into: Mapping[str, Any] = {"table": "", "columns": []}
    waiting: list[Row] = []

    async def put() -> None:
        if waiting:
            # By name only: the schema may be an older one than this program's.
            held = table(into["table"], *map(column, into["columns"]))
            await connection.execute(insert(held), waiting)
            counts[into["table"]] += len(waiting)
            waiting.clear()

    for line in lines:
        document = _parse(line, name)
        if isinstance(document, dict):
            await put()
            into = document
        else:
            waiting.append(change(into["table"], _row(into["columns"], document, name)))
        if len(waiting) >= _ROWS_AT_ONCE:
            await put()
    await put()
    return dict(counts)


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return whole lines of a text that comes in pieces."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _line(document: Any) -> bytes:
    return json.dumps(document, default=_named_bytes, separators=(",", ":")).encode() + b"\n"


def _named_bytes(value: object) -> dict[str, str]:
    if isinstance(value, bytes | memoryview):
        return {"b": b64encode(value).decode()}
    raise TypeError(type(value).__name__)


def _row(columns: Iterable[str], values: Iterable[Any], name: str) -> Row:
    try:
        return dict(zip(columns, map(_value, values), strict=True))
    except (KeyError, TypeError, ValueError):
        raise _no_store(name) from None


def _value(value: Any) -> Any:
    return b64decode(value["b"], validate=True) if isinstance(value, dict) else value


def _parse(line: bytes, name: str) -> Any:
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if isinstance(document, list) or (isinstance(document, dict) and {"table", "columns"} <= document.keys()):
        return document
    raise _no_store(name)


def _no_store(name: str) -> Malformed:
    return Malformed(f"{name} holds something else than a store", hint="take an earlier backup")
