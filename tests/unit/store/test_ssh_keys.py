"""SSH keys of clients in the store: whole, one client's only, in every copy of it."""

import os

import pytest
from sqlalchemy import select, text

from broker.domain.apikey import new_key
from broker.domain.roster import Roster
from broker.store.dump import dump, lines_of
from broker.store.engine import Database
from broker.store.restoring import restore_store
from broker.store.setup import migrating, schema_of, upgrade
from broker.store.store import Store
from broker.store.tables import ssh_keys
from fetchtoken.domain.errors import ConfigError, NotFound
from tests.support.records import RECORD, a_client, a_login, store_url

A, B, C = "SHA256:a", "SHA256:b", "SHA256:c"


async def added(store, name, *keys):
    return await store.add_client(
        name, new_key("cbk", os.urandom), RECORD, accounts=set(), ssh_keys=frozenset(keys)
    )


async def test_keys_are_stored_and_seen_by_every_process(store, other):
    """What was given is there, at once and for those who follow changes."""
    before = await other.change_counter()
    client = await added(store, "laptop", A, B)
    assert client.ssh_keys == {A, B}
    assert (await other.snapshot()).clients == (client,)
    assert (await other.changes(before)).clients == (client,)


async def test_keys_are_replaced_and_taken_away(store, other):
    """A change is one revision that others see; what is not named any more is gone."""
    client = await added(store, "laptop", A, B)
    changed = await store.set_ssh_keys(client.id, {B, C}, RECORD)
    assert (changed.ssh_keys, changed.key_id) == ({B, C}, client.key_id)
    assert (await other.changes(client.revision)).clients == (changed,)
    assert (await store.set_ssh_keys(client.id, frozenset(), RECORD)).ssh_keys == frozenset()
    assert len(await store.list_audit()) == 3


async def test_one_key_belongs_to_one_client(store):
    """A second client with it is refused by the name of the first, and nothing of the change stays."""
    await added(store, "laptop", A)
    with pytest.raises(ConfigError, match="SHA256:a is that of client laptop") as caught:
        await added(store, "other", B, A)
    assert caught.value.code == "ssh_key_taken"
    other = await added(store, "other", B)
    with pytest.raises(ConfigError, match="client laptop"):
        await store.set_ssh_keys(other.id, {A}, RECORD)
    assert {client.name: client.ssh_keys for client in (await store.snapshot()).clients} == {
        "laptop": {A},
        "other": {B},
    }


async def test_a_revoked_client_keeps_its_key_until_it_is_taken_away(store):
    """A stolen machine's key is nobody else's by mistake."""
    first = await added(store, "laptop", A)
    await store.revoke_client(first.id, RECORD)
    with pytest.raises(ConfigError, match="client laptop"):
        await added(store, "other", A)
    await store.set_ssh_keys(first.id, frozenset(), RECORD)
    assert (await added(store, "other", A)).ssh_keys == {A}


async def test_a_client_that_is_gone_is_said(store):
    """Keys for nobody are refused."""
    with pytest.raises(NotFound, match="client was removed"):
        await store.set_ssh_keys(9, {A}, RECORD)


async def test_a_store_from_before_is_migrated(tmp_path, seal):
    """Clients of the schema without keys stay as they are, and can get some."""
    url = store_url(tmp_path)
    database = Database(url)
    async with migrating(database) as connection:
        await connection.run_sync(upgrade, "0003")
    await database.close()
    store = await Store.open(url, seal)
    async with store.database.read() as connection:
        assert await connection.run_sync(schema_of) >= "0004"
    assert (await added(store, "laptop", A)).ssh_keys == {A}
    await store.close()


async def test_keys_are_in_a_backup_and_come_back(store, tmp_path, seal):
    """A restored store knows its clients by the same keys."""
    await store.add_account("work", a_login(), RECORD)
    await added(store, "laptop", A, B)
    pieces = []
    async with store.database.read() as connection:
        schema = await connection.run_sync(schema_of)
        assert (await dump(connection, pieces.append))["ssh_keys"] == 2
    (tmp_path / "copy").mkdir()
    copy = Database(store_url(tmp_path / "copy"))
    await restore_store(copy, seal, lines_of(pieces), schema=schema, name="FILE", made_at="now")
    async with copy.read() as connection:
        rows = await connection.execute(select(ssh_keys.c.fingerprint).order_by(ssh_keys.c.fingerprint))
        assert list(rows.scalars()) == [A, B]
    await copy.close()


async def test_a_client_that_goes_takes_its_keys_along(store):
    """Deleting the row, whoever does it, frees its keys."""
    client = await added(store, "laptop", A)
    async with store.database.write() as connection:
        await connection.execute(text("DELETE FROM clients WHERE id = :id"), {"id": client.id})
        assert (await connection.execute(select(ssh_keys))).all() == []


def test_the_roster_finds_a_client_by_each_of_its_keys():
    """Keys come, go, and move from one client to another, in whatever order that is heard of."""
    roster = Roster()
    roster.put_client(a_client(id=1, name="one", key_id="1", ssh_keys=frozenset({A, B})))
    assert roster.client_by_ssh_key(A) is roster.client_by_ssh_key(B) is roster.client("one")
    roster.put_client(a_client(id=2, name="two", key_id="2", ssh_keys=frozenset({A}), revision=3))
    roster.put_client(a_client(id=1, name="one", key_id="1", ssh_keys=frozenset({B}), revision=2))
    assert (roster.client_by_ssh_key(A).name, roster.client_by_ssh_key(B).name) == ("two", "one")
    roster.put_client(a_client(id=1, name="one", key_id="1", ssh_keys=frozenset({A, B}), revision=1))
    assert roster.client_by_ssh_key(A).name == "two", "an older record changes nothing"
    roster.drop_client(2)
    assert roster.client_by_ssh_key(A) is None
    assert roster.client_by_ssh_key(C) is None
