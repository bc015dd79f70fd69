"""The change counter, and what changed since a value of it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Row, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.records import Snapshot
from broker.store.keys import StoreKeys
from broker.store.rows import account_from_row, client_from_row, machine_from_row
from broker.store.tables import accounts, clients, grants, machines, meta, removed, ssh_keys

__all__ = ["bump", "read_changes", "read_counter", "record_removal"]


async def bump(connection: AsyncConnection) -> int:
    """Count one change and return its revision.

    Called first in every write transaction: the counter's row is then locked until the commit,
    so that revisions become visible in their own order.
    """
    counter = meta.c.key == "changes"
    await connection.execute(update(meta).where(counter).values(number=meta.c.number + 1))
    return await read_counter(connection)


async def read_counter(connection: AsyncConnection) -> int:
    """Return the revision of the newest change."""
    result = await connection.execute(select(meta.c.number).where(meta.c.key == "changes"))
    return int(result.scalar_one())


async def record_removal(connection: AsyncConnection, kind: str, row: int, revision: int) -> None:
    """Remember that a row went away; ``kind`` is ``account`` or ``client``."""
    await connection.execute(insert(removed).values(revision=revision, kind=kind, row=row))


async def read_changes(connection: AsyncConnection, keys: StoreKeys, since: int | None) -> Snapshot:
    """Return everything, or with ``since`` what is newer than that revision."""
    after = -1 if since is None else since
    gone: dict[str, set[int]] = {"account": set(), "client": set()}
    if since is not None:
        for kind, row in await connection.execute(
            select(removed.c.kind, removed.c.row).where(removed.c.revision > since)
        ):
            gone[kind].add(row)
    account_rows = await connection.execute(select(accounts).where(accounts.c.revision > after))
    client_rows = await connection.execute(select(clients).where(clients.c.revision > after))
    held: list[Row[Any]] = list(client_rows)
    granted = await _of_clients(connection, grants, grants.c.account, after)
    ssh = await _of_clients(connection, ssh_keys, ssh_keys.c.fingerprint, after)
    machine_rows = await connection.execute(select(machines).where(machines.c.revision > after))
    return Snapshot(
        revision=await read_counter(connection),
        whole=since is None,
        accounts=tuple(account_from_row(row, keys) for row in account_rows),
        clients=tuple(client_from_row(row, granted[row.id], ssh[row.id]) for row in held),
        removed_accounts=frozenset(gone["account"]),
        removed_clients=frozenset(gone["client"]),
        machines=tuple(map(machine_from_row, machine_rows)),
    )


async def _of_clients(
    connection: AsyncConnection, table: Table, column: Column[Any], after: int
) -> Mapping[int, frozenset[Any]]:
    """Return the values of a column by client, of the clients that changed after a revision."""
    wanted = (
        select(table.c.client, column)
        .join(clients, clients.c.id == table.c.client)
        .where(clients.c.revision > after)
    )
    found: defaultdict[int, frozenset[Any]] = defaultdict(frozenset)
    for client, value in await connection.execute(wanted):
        found[client] |= {value}
    return found
