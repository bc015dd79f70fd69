"""Make a store from a dump: all of it in one transaction, or nothing.

To the issuer two copies of one store are two holders of each login. So every account comes in marked
restored: what is live is served, nothing is sent by itself. What was being sent when the dump was
made has its journal elsewhere, if anywhere, and is in doubt. Invite codes and device logins of the dump
are void.
"""

import os
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, inspect

from broker.domain.account import Event, State, step
from broker.domain.device import DeviceState
from broker.domain.secondlife import Why, word_of
from broker.seal.box import Seal
from broker.store.dump import Row, load
from broker.store.engine import Database
from broker.store.setup import is_known, migrating, stamp, upgrade
from broker.store.tables import accounts, device_requests, invites
from fetchtoken.domain.errors import ConfigError

__all__ = ["as_restored", "has_tables", "restore_store"]

_UNDER_WAY = (State.REFRESHING, State.REPLAYING)


async def restore_store(  # noqa: PLR0913 - a record; its fields are named at the call
    database: Database,
    seal: Seal,
    lines: Iterable[bytes],
    *,
    schema: str,
    name: str,
    made_at: str,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> dict[str, int]:
    """Fill an empty database from a dump and migrate it to this program's schema.

    Args:
        database: one without tables.
        seal: of the home.
        lines: what :func:`broker.store.dump.dump` wrote.
        schema: the revision that it was written from.
        name: the file, for messages.
        made_at: when the dump was made.
        random_bytes: a strong source, for what a store of that revision did not have yet.

    Returns:
        How many rows by table.

    Raises:
        ConfigError: there are tables already, or the schema is newer than this program.
        Malformed: it is no dump.
        Unavailable: the database does not answer, or is full.
    """
    if not is_known(schema):
        raise ConfigError(
            f"{name} has schema {schema[:20]}, which is newer than this program",
            hint="install the version of codex-token-broker that made it, or a later one",
        )
    async with migrating(database) as connection:
        if await connection.run_sync(_tables):
            raise ConfigError("the database holds tables already", hint="restore into a home without a store")
        await connection.run_sync(upgrade, schema)
        counts = await load(connection, lines, name, lambda table, row: as_restored(table, row, made_at))
        await connection.run_sync(upgrade)
        await stamp(connection, seal, random_bytes)
    return counts


async def has_tables(database: Database) -> bool:
    """Tell whether a database holds anything; a kill in the middle of a restore leaves nothing in it."""
    async with database.read() as connection:
        return bool(await connection.run_sync(_tables))


def as_restored(table: str, row: Row, made_at: str) -> Row:
    """Return a row as it comes into a store that may be somebody's second one.

    Args:
        table: its table.
        row: values by column, of whatever schema.
        made_at: when the dump was made, for people.
    """
    if table == invites.name:
        # Whether the code was used since the dump was made is not in it.
        return row if row["ended"] else row | {"ended": str(Why.BACKUP)}
    if table == device_requests.name:
        # Same; and what was spent stays so, for a code that comes once more.
        spent = row["state"] == DeviceState.SPENT
        return row if spent else row | {"state": DeviceState.VOID.value, "ticket_hash": None}
    if table != accounts.name:
        return row
    state = State(row["state"])
    if state in _UNDER_WAY:
        # The row goes on naming attempt and journal: where that lies here after all, it is read.
        state = step(state, Event.OWNER_GONE).to
    if state is not State.LOGIN_REQUIRED:
        # There it says why the login ended, which holds for every copy.
        row = row | {"last_error": word_of(Why.BACKUP, made_at)}
    return row | {"state": state.value, "restored": True, "lease_until": None}


def _tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()
