"""Machine credentials in the store: one in the place of another, all or nothing, for every process to see."""

import asyncio
import os
from dataclasses import replace

import pytest

from broker.domain.apikey import matches, new_key
from broker.store.machines import add_machine, last_uses, machines_used, replace_machine, revoke_machines
from fetchtoken.domain.errors import ConfigError, NotFound
from tests.support.records import NOW, RECORD, a_login

ADDED = RECORD._replace(action="machine.added", client="ci", detail="")


@pytest.fixture
def new(store):
    """Makes a credential in the place of its former ones; returns what happened."""

    async def replaced(client, name="laptop", *, by=store, at_most=3, **changes):
        known = {
            "account": 1,
            "expires_at": None,
            "audit": ADDED,
            "key": new_key("cbr", os.urandom),
        } | changes
        return await replace_machine(by, client=client.id, name=name, at_most=at_most, **known)

    return replaced


async def a_client_of(store, name="ci"):
    if not (await store.snapshot()).accounts:
        await store.add_account("work", a_login(), RECORD)
    return await store.add_client(name, new_key("cbk", os.urandom), RECORD, accounts={1})


async def told(store, action):
    return [one.detail for one in await store.list_audit() if one.action == action]


async def test_the_first_credential_of_a_machine_replaces_nothing(store, other, new):
    """It is stored by its keyed hash, and seen by those who follow changes."""
    client = await a_client_of(store)
    before = await other.change_counter()
    key = new_key("cbr", os.urandom)
    made, ended = await new(client, key=key, expires_at=NOW + 9)
    assert ended == ()
    assert (made.client, made.account, made.name, made.expires_at) == (client.id, 1, "laptop", NOW + 9)
    assert matches(key, store.api_key_hash_key, made.key_hash)
    assert (await other.changes(before)).machines == (made,)


async def test_the_credential_itself_is_nowhere_in_the_store(store, new, tmp_path):
    """Neither the database nor what it writes beside itself has its text."""
    key = new_key("cbr", os.urandom)
    await new(await a_client_of(store), key=key)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"machine.added" in written
    assert key.text.reveal().encode() not in written


async def test_a_second_credential_of_a_machine_ends_its_first(store, other, new):
    """Both changes are one: whoever follows sees the new one and the end of the former together."""
    client = await a_client_of(store)
    first, _ = await new(client)
    before = await other.change_counter()
    made, ended = await new(client)
    assert [(one.id, one.revoked_at) for one in ended] == [(first.id, NOW)]
    assert (await other.changes(before)).machines == (*ended, made)
    assert ended[0].revision == made.revision == before + 1


async def test_the_trail_has_the_new_one_and_each_that_ended(store, new):
    """By the same hand, with the ids that tell one from the other."""
    client = await a_client_of(store)
    first, _ = await new(client)
    made, _ = await new(client, audit=ADDED._replace(detail="by an API key"))
    assert await told(store, "machine.revoked") == [f"machine {first.id} laptop, replaced by {made.id}"]
    assert await told(store, "machine.added") == [
        f"machine {first.id} laptop",
        f"machine {made.id} laptop, by an API key",
    ]


async def test_other_machines_and_clients_keep_theirs(store, new):
    """The same name at another client is another machine."""
    client, another = await a_client_of(store), await a_client_of(store, "other")
    kept = {(await new(client, "desktop")).made.id, (await new(another)).made.id}
    await new(client)
    await new(client)
    assert kept < {one.id for one in (await store.snapshot()).machines if one.revoked_at is None}


async def test_every_live_credential_of_that_name_ends(store, new):
    """One that an administrator made by the machine's name, too; what ended before keeps its date."""
    client = await a_client_of(store)
    revoked, _ = await new(client)
    await revoke_machines(store, {revoked.id}, RECORD)
    expired, _ = await new(client, expires_at=NOW)
    added = [
        await add_machine(
            store, new_key("cbr", os.urandom), ADDED, client=client.id, account=1, name="laptop"
        )
        for _ in range(2)
    ]
    _, ended = await new(client)
    assert [one.id for one in ended] == [one.id for one in added]
    rows = {one.id: one for one in (await store.snapshot()).machines}
    assert rows[expired.id].revoked_at is None


async def test_a_client_has_so_many_and_no_more(store, new):
    """A further machine is refused, and nothing changes; a machine that it has may come again."""
    client = await a_client_of(store)
    for name in ("a", "b", "c"):
        await new(client, name)
    before = await store.snapshot()
    with pytest.raises(ConfigError, match="has 3 live machine credentials already; 3 is the most") as caught:
        await new(client, "d")
    assert caught.value.code == "too_many_machines"
    assert await store.snapshot() == before
    made, _ = await new(client, "c")
    await revoke_machines(store, {made.id}, RECORD)
    await new(client, "d")


async def test_what_ended_does_not_count(store, new):
    """Neither expired nor replaced credentials keep a machine out."""
    client = await a_client_of(store)
    await new(client, "a", at_most=1, expires_at=NOW)
    await new(client, "b", at_most=1)
    await new(client, "b", at_most=1)
    with pytest.raises(ConfigError):
        await new(client, "c", at_most=1)


async def test_twenty_at_once_leave_one_live(store, other, new):
    """Two processes that enrol the same machine take turns; the last one's counts."""
    client = await a_client_of(store)
    made = await asyncio.gather(*(new(client, by=by) for by in (store, other) for _ in range(10)))
    live = [one for one in (await store.snapshot()).machines if one.revoked_at is None]
    assert len(live) == 1
    assert sum(len(one.ended) for one in made) == 19


async def test_twenty_machines_at_once_do_not_pass_the_bound(store, other, new):
    """The bound is counted in the transaction that adds."""
    client = await a_client_of(store)
    calls = [new(client, f"m{turn}", by=by) for turn, by in enumerate((store, other) * 10)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, ConfigError) for one in outcomes) == 17
    assert len((await other.snapshot()).machines) == 3


@pytest.mark.parametrize("gone", ["client", "account"])
async def test_nothing_ends_for_one_that_cannot_be_made(store, new, gone):
    """Where client or account were removed meanwhile, the machine keeps what it has."""
    client = await a_client_of(store)
    held, _ = await new(client)
    asking = client if gone == "account" else replace(client, id=99)
    with pytest.raises(NotFound, match=f"the {gone} was removed"):
        await new(asking, account=99 if gone == "account" else 1)
    assert (await store.snapshot()).machines == (held,)


async def test_when_it_was_used_never_goes_back(store, new):
    """Times of use are written in any order, and are no change that others follow."""
    made, _ = await new(await a_client_of(store))
    before = await store.change_counter()
    await machines_used(store, {made.id: NOW + 5})
    await machines_used(store, {made.id: NOW + 2})
    assert await last_uses(store, made.client) == {made.id: NOW + 5}
    assert await store.change_counter() == before
