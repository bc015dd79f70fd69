"""Opening: making, migrating, recognising, refusing."""

import asyncio
import os

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from broker.seal.box import Seal
from broker.seal.keyring import Keyring, key_id_of
from broker.store.engine import Database
from broker.store.migrations import HEAD
from broker.store.store import Store
from broker.store.tables import metadata
from fetchtoken.domain.errors import ConfigError, Unavailable, Unsafe
from tests.support.records import RECORD, a_login, new_seal, store_url


async def _open_and_close(url, seal):
    store = await Store.open(url, seal)
    await store.close()
    return store


async def test_a_new_store_is_private(store, tmp_path):
    """Database, log, index and head file are 0600 whatever the umask."""
    await store.add_account("work", a_login(), RECORD)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    names = ("broker.db", "broker.db-wal", "broker.db-shm", "audit.head")
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.usefixtures("store")
async def test_the_schema_is_the_tables(url):
    """What the migrations make is what the tables say, column by column."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_head_is_the_newest_revision():
    """The constant that lets a store skip alembic names alembic's own head."""
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_opening_again_changes_nothing(url, seal):
    """A second opening migrates nothing and finds the same store."""
    first = await _open_and_close(url, seal)
    second = await _open_and_close(url, seal)
    assert first.store_id == second.store_id
    assert first.api_key_hash_key == second.api_key_hash_key


async def test_two_stores_have_ids_of_their_own(tmp_path, seal):
    """Each store is told from every other."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = await _open_and_close(store_url(tmp_path / "a"), seal)
    second = await _open_and_close(store_url(tmp_path / "b"), seal)
    assert first.store_id != second.store_id
    assert first.api_key_hash_key != second.api_key_hash_key


async def test_different_stores_may_be_made_at_the_same_time(tmp_path, seal):
    """Migrations of two stores in one process do not get into each other's way."""
    for name in "abc":
        (tmp_path / name).mkdir()
    opened = await asyncio.gather(*(_open_and_close(store_url(tmp_path / name), seal) for name in "abc"))
    assert len({store.store_id for store in opened}) == 3


async def test_opening_at_the_same_time_makes_one_store(url, seal):
    """Processes that start together agree on one schema and one id."""
    opened = await asyncio.gather(*(_open_and_close(url, seal) for _ in range(4)))
    assert len({store.store_id for store in opened}) == 1


@pytest.mark.usefixtures("store")
async def test_a_newer_schema_is_refused(url, seal, sql):
    """A store of a newer program is left alone."""
    sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="schema 9999, which is newer"):
        await Store.open(url, seal)


@pytest.mark.usefixtures("store")
async def test_a_missing_master_key_is_named(url, seal):
    """With another key file the store does not open, and says which key it needs."""
    with pytest.raises(ConfigError, match=seal.keys.current) as caught:
        await Store.open(url, new_seal())
    assert caught.value.code == "sealed"


async def test_an_old_master_key_still_opens(store, url, seal):
    """A store that was sealed under an earlier key opens while that key is on the ring."""
    key = os.urandom(32)
    old = seal.keys.current
    ring = Keyring({old: seal.keys.master(old), key_id_of(key): key}, key_id_of(key), "both.key")
    again = await _open_and_close(url, Seal(ring))
    assert again.api_key_hash_key == store.api_key_hash_key


@pytest.mark.usefixtures("store")
async def test_a_tampered_hashing_key_is_noticed(url, seal, sql):
    """A changed root of the hashes stops the start: no API key could be told from another."""
    [(box,)] = sql("SELECT box FROM meta WHERE key = 'hash_root'")
    sql("UPDATE meta SET box = ? WHERE key = 'hash_root'", box[:-1] + bytes([box[-1] ^ 1]))
    with pytest.raises(Unsafe, match="meta:hash_root failed integrity check"):
        await Store.open(url, seal)


@pytest.mark.parametrize("url", ["postgresql://x/y", "sqlite://", "sqlite:///"])
async def test_other_databases_are_refused(url, seal):
    """What is not a SQLite file is a matter of configuration."""
    with pytest.raises(ConfigError, match=r"store\.url"):
        await Store.open(url, seal)


async def test_a_directory_that_is_missing_is_named(tmp_path, seal):
    """A store that cannot be made says where."""
    with pytest.raises(ConfigError, match=r"nowhere/broker\.db cannot be made"):
        await Store.open(store_url(tmp_path / "nowhere"), seal)


async def test_a_file_that_is_no_database_is_named(tmp_path, seal):
    """Garbage in place of the database is said, with its path."""
    (tmp_path / "broker.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(Unavailable, match=r"broker\.db does not work: file is not a database"):
        await Store.open(store_url(tmp_path), seal)


@pytest.mark.parametrize(
    ("pragma", "expected"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)],
)
@pytest.mark.usefixtures("store")
async def test_every_connection_is_durable(url, pragma, expected):
    """WAL with full synchronisation, on connections for reading and for writing."""
    database = Database(url)
    for transaction in (database.read, database.write):
        async with transaction() as connection:
            result = await connection.exec_driver_sql(f"PRAGMA {pragma}")
            assert result.scalar_one() == expected
    await database.close()
