"""Bring a database to the current schema and find, or make, what belongs to the store as a whole."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.seal.box import Seal
from broker.seal.keyring import KEY_BYTES
from broker.store.engine import Database
from broker.store.keys import HASH_ROOT_CONTEXT, StoreKeys
from broker.store.migrations import HEAD
from broker.store.tables import meta
from fetchtoken.domain.errors import ConfigError

__all__ = ["prepare"]

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
        current = await connection.run_sync(_version)
    if current != HEAD:
        # Processes that start together take turns by the write transaction; alembic's context is
        # global, so within one process nobody else may migrate meanwhile.
        turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn, database.write() as connection:
            await connection.run_sync(_upgrade)
            await _stamp(connection, seal, random_bytes)
    async with database.read() as connection:
        rows = await connection.execute(select(meta.c.key, meta.c.text, meta.c.box))
        values = {row.key: row for row in rows}
    root = seal.open(values["hash_root"].box, HASH_ROOT_CONTEXT)
    return str(values["store_id"].text), StoreKeys(seal, root)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise ConfigError(
            f"this store has schema {_version(connection)}, which is newer than this program",
            hint="install the newer codex-token-broker again",
        ) from None


async def _stamp(connection: AsyncConnection, seal: Seal, random_bytes: Callable[[int], bytes]) -> None:
    known = set((await connection.execute(select(meta.c.key))).scalars())
    values: dict[str, dict[str, object]] = {
        "changes": {"number": 0},
        "store_id": {"text": random_bytes(16).hex()},
        "hash_root": {"box": seal.close(random_bytes(KEY_BYTES), HASH_ROOT_CONTEXT)},
    }
    for key, value in values.items():
        if key not in known:
            await connection.execute(insert(meta).values(key=key, **value))
