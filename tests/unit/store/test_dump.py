"""A store as text, and back."""

import pytest
from sqlalchemy import select

from broker.seal.keyring import Keyring
from broker.store.dump import dump, key_ids, lines_of, load
from broker.store.engine import Database
from broker.store.setup import migrating, upgrade
from broker.store.tables import metadata
from fetchtoken.domain.errors import Malformed
from tests.support.records import RECORD, a_login, store_url


async def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    async with database.read() as connection:
        found = {}
        for table in metadata.sorted_tables:
            rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
        return found


async def text_of(store) -> bytes:
    pieces: list[bytes] = []
    async with store.database.read() as connection:
        await dump(connection, pieces.append)
    return b"".join(pieces)


@pytest.fixture
async def filled(store):
    """A store with something in every kind of column."""
    for number in range(3):
        await store.add_account(f"name-{number}", a_login(f"{number}", account_id=f"acct-{number}"), RECORD)
    return store


async def test_every_table_and_column_comes_back(filled, tmp_path):
    """What is read from the copy is, value by value and type by type, what was in the original."""
    (tmp_path / "copy").mkdir()
    copy = Database(store_url(tmp_path / "copy"))
    try:
        async with migrating(copy) as connection:
            await connection.run_sync(upgrade)
            await load(connection, lines_of([await text_of(filled)]), "FILE")
        assert await contents(copy) == await contents(filled.database)
    finally:
        await copy.close()


async def test_one_dump_is_one_state(filled, other):
    """Rows that are added while a dump is being written are in none of its tables."""
    pieces: list[bytes] = []
    async with filled.database.read() as connection:
        before = await key_ids(connection)
        await other.add_account("later", a_login("9", account_id="acct-9"), RECORD)
        counts = await dump(connection, pieces.append)
    assert before
    assert counts["accounts"] == 3
    assert b'"later"' not in b"".join(pieces)


async def test_the_keys_of_all_boxes_are_told(filled, seal):
    """A dump that needs a former key is known to, before anything is written."""
    former = seal.keys.current
    seal.keys.take(Keyring.new(lambda size: bytes(range(size)), "").and_all_of(seal.keys))
    await filled.add_account("newer", a_login("9", account_id="acct-9"), RECORD)
    async with filled.database.read() as connection:
        assert await key_ids(connection) == {former, seal.keys.current}


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_come_whole(size):
    """However a text is cut into pieces, its lines are the same."""
    text = b"one\ntwo\n\nthree\n"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(lines_of(pieces)) == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize("line", [b"", b"nonsense", b"1", b'{"table": "accounts"}'])
async def test_something_else_is_no_store(store, line):
    """Text that is no dump is exit 7, and nothing is kept of it."""
    with pytest.raises(Malformed, match="FILE holds something else"):
        async with store.database.write() as connection:
            await load(connection, [line], "FILE")
