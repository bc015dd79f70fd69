"""Bring a database to the current schema and find, or make, what belongs to the store as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.seal.box import Seal
from broker.seal.keyring import KEY_BYTES
from broker.store.engine import Database
from broker.store.keys import StoreKeys
from broker.store.migrations import HEAD
from broker.store.root import Root, open_root
from broker.store.tables import meta
from fetchtoken.domain.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["is_known", "migrating", "prepare", "schema_of", "stamp", "upgrade"]

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def prepare(
    database: Database, seal: Seal, random_bytes: Callable[[int], bytes]
) -> tuple[str, StoreKeys]:
    """Migrate a database to the newest schema and return (store id, keys).

    Raises:
        ConfigError: the schema is newer than this program, or a master key is missing.
        Unsafe: the sealed hashing key is damaged.
    """
    async with database.read() as connection:
        current = await connection.run_sync(schema_of)
    if current != HEAD:
        async with migrating(database) as connection:
            await connection.run_sync(upgrade)
            await stamp(connection, seal, random_bytes)
    async with database.read() as connection:
        rows = await connection.execute(select(meta.c.key, meta.c.text, meta.c.box))
        values = {row.key: row for row in rows}
    root = open_root(seal, values["hash_root"].box)
    return str(values["store_id"].text), StoreKeys(seal, root.key)


@asynccontextmanager
async def migrating(database: Database) -> AsyncIterator[AsyncConnection]:
    """Give a write transaction in which :func:`upgrade` may be called.

    Processes that start together take turns by the transaction; alembic's context is global, so
    within one process nobody else may migrate meanwhile.
    """
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, database.write() as connection:
        yield connection


def schema_of(connection: Connection) -> str | None:
    """Return the revision of a database's schema, or ``None`` where it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def is_known(schema: str) -> bool:
    """Tell whether this program can make a schema of that revision."""
    from alembic.script import ScriptDirectory

    revisions = ScriptDirectory.from_config(_config()).walk_revisions()
    return schema in {revision.revision for revision in revisions}


def upgrade(connection: Connection, to: str = "head") -> None:
    """Migrate a database, within :func:`migrating`.

    Args:
        connection: the transaction's.
        to: a known revision, or the newest.

    Raises:
        ConfigError: the schema is newer than this program.
    """
    from alembic import command
    from alembic.util import CommandError

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError:
        raise ConfigError(
            f"this store has schema {schema_of(connection)}, which is newer than this program",
            hint="install the newer codex-token-broker again",
        ) from None


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


async def stamp(connection: AsyncConnection, seal: Seal, random_bytes: Callable[[int], bytes]) -> None:
    """Make what belongs to a store as a whole and is missing: change counter, store id, hashing key."""
    known = set((await connection.execute(select(meta.c.key))).scalars())
    values: dict[str, dict[str, object]] = {
        "changes": {"number": 0},
        "store_id": {"text": random_bytes(16).hex()},
        "hash_root": {"box": Root(key=random_bytes(KEY_BYTES), begun=0).close(seal)},
    }
    for key, value in values.items():
        if key not in known:
            await connection.execute(insert(meta).values(key=key, **value))
