"""Clients: keys, grants, revocation."""

import os

import pytest

from broker.domain.apikey import matches, new_key
from fetchtoken.domain.errors import ConfigError, NotFound
from tests.support.records import NOW, RECORD, a_login


@pytest.fixture
async def ids(store):
    """Three accounts."""
    added = [
        await store.add_account(name, a_login(name, account_id=f"acct-{name}"), RECORD)
        for name in ("a", "b", "c")
    ]
    return [account.id for account in added]


@pytest.fixture
def key():
    return new_key("cbk", os.urandom)


async def test_a_client_is_stored_whole(store, other, ids, key):
    """What was given is there for every process; the key only as a hash."""
    client = await store.add_client(
        "ci",
        key,
        RECORD,
        accounts={ids[0], ids[1]},
        default_account=ids[1],
        scopes={"token", "quota"},
        expires_at=NOW + 60,
    )
    assert (await other.snapshot()).clients == (client,)
    assert (client.accounts, client.default_account) == ({ids[0], ids[1]}, ids[1])
    assert (client.scopes, client.expires_at, client.revoked_at) == ({"token", "quota"}, NOW + 60, None)
    assert client.key_id == key.key_id
    assert matches(key, other.api_key_hash_key, client.key_hash)


async def test_the_key_is_nowhere_in_the_store(store, tmp_path, key):
    """No file holds the text of an API key."""
    await store.add_client("ci", key, RECORD, accounts=set())
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.text.reveal().encode() not in held
    assert key.key_id.encode() in held


async def test_a_client_may_have_no_grants(store, key):
    """By default an account is granted to nobody, and the scope is token."""
    client = await store.add_client("ci", key, RECORD, accounts=set())
    assert (client.accounts, client.scopes) == (frozenset(), {"token"})


async def test_a_taken_name_is_refused(store, key):
    """A second client of the name is refused, revoked or not."""
    client = await store.add_client("ci", key, RECORD, accounts=set())
    await store.revoke_client(client.id, RECORD)
    with pytest.raises(ConfigError, match="already a client named ci"):
        await store.add_client("ci", new_key("cbk", os.urandom), RECORD, accounts=set())


async def test_only_accounts_that_exist_are_granted(store, ids, key):
    """A grant of an account that is gone is refused."""
    with pytest.raises(NotFound, match="was removed"):
        await store.add_client("ci", key, RECORD, accounts={ids[0], 99})
    assert (await store.snapshot()).clients == ()


async def test_the_default_must_be_granted(store, ids, key):
    """A default without grant is refused, at first and later."""
    with pytest.raises(ConfigError, match="must be one that is granted"):
        await store.add_client("ci", key, RECORD, accounts={ids[0]}, default_account=ids[1])
    client = await store.add_client("ci", key, RECORD, accounts={ids[0]})
    with pytest.raises(ConfigError, match="must be one that is granted"):
        await store.change_grants(client.id, RECORD, default_account=ids[1])


async def test_grants_are_added_and_taken_away(store, ids, key):
    """Changes add up: granting twice is granting once, and a lost grant takes the default along."""
    client = await store.add_client("ci", key, RECORD, accounts={ids[0]})
    client = await store.change_grants(client.id, RECORD, add={ids[0], ids[1]}, default_account=ids[1])
    assert (client.accounts, client.default_account) == ({ids[0], ids[1]}, ids[1])
    client = await store.change_grants(client.id, RECORD, add={ids[2]})
    assert (client.accounts, client.default_account) == (set(ids), ids[1])
    client = await store.change_grants(client.id, RECORD, remove={ids[1], ids[2]})
    assert (client.accounts, client.default_account) == ({ids[0]}, None)


async def test_a_rotated_key_replaces_the_old_one(store, ids, key):
    """After a rotation the new key counts, the old one does not, and the grants stay."""
    client = await store.add_client("ci", key, RECORD, accounts={ids[0]})
    fresh = new_key("cbk", os.urandom)
    rotated = await store.rotate_client(client.id, fresh, RECORD)
    assert (rotated.key_id, rotated.accounts) == (fresh.key_id, {ids[0]})
    assert matches(fresh, store.api_key_hash_key, rotated.key_hash)
    assert not matches(key, store.api_key_hash_key, rotated.key_hash)


async def test_a_revocation_is_dated_and_keeps_its_date(store, other, sql, key):
    """A revoked client says since when; revoking again does not move it."""
    client = await store.add_client("ci", key, RECORD, accounts=set())
    revoked = await store.revoke_client(client.id, RECORD)
    assert revoked.revoked_at == NOW
    assert (await other.snapshot()).clients == (revoked,)
    sql("UPDATE clients SET revoked_at = 5.0")
    assert (await store.revoke_client(client.id, RECORD)).revoked_at == 5.0


async def test_a_client_that_is_gone_is_said(store, key):
    """Every change to an unknown client says that it is gone."""
    for change in (
        store.change_grants(9, RECORD),
        store.rotate_client(9, key, RECORD),
        store.revoke_client(9, RECORD),
    ):
        with pytest.raises(NotFound, match="client was removed"):
            await change
    assert await store.list_audit() == []
