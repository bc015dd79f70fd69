"""Which columns hold boxes, and as what each box is sealed: the one list that a change of key goes by.

A box that is not on this list would be left behind under a key that is then retired, so a test compares
the list with the schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row, Table

from broker.store.tables import accounts, adopted, meta, orphans

__all__ = [
    "SEALED",
    "SealedTable",
    "account_context",
    "adopted_context",
    "meta_context",
    "orphan_context",
]


def account_context(login_id: str, generation: int, kind: str) -> str:
    """Return what a token of an account is sealed as; ``kind`` is ``access``, ``refresh`` or ``id``."""
    return f"account:{login_id}:{generation}:{kind}"


def adopted_context(login_id: str) -> str:
    """Return what the copy of an adopted file is sealed as."""
    return f"adopted:{login_id}"


def meta_context(key: str) -> str:
    """Return what a single value of the store is sealed as."""
    return f"meta:{key}"


def orphan_context(login_id: str, generation: int, attempt_id: str) -> str:
    """Return what a late answer is sealed as."""
    return f"orphan:{login_id}:{generation}:{attempt_id}"


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with boxes in it."""

    table: Table
    key: Column[Any]
    """Its primary key."""
    contexts: Mapping[str, Callable[[Row[Any]], str]]
    """For each column of boxes: as what the box in a row is sealed."""


def _of_account(kind: str) -> Callable[[Row[Any]], str]:
    return lambda row: account_context(row.login_id, row.generation, kind)


SEALED = (
    SealedTable(meta, meta.c.key, {"box": lambda row: meta_context(row.key)}),
    SealedTable(
        accounts,
        accounts.c.id,
        {f"{kind}_box": _of_account(kind) for kind in ("access", "refresh", "id")},
    ),
    SealedTable(
        orphans,
        orphans.c.id,
        {"box": lambda row: orphan_context(row.login_id, row.generation, row.attempt_id)},
    ),
    SealedTable(adopted, adopted.c.id, {"box": lambda row: adopted_context(row.login_id)}),
)
"""Every column of boxes there is."""
