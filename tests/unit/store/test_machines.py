"""Machine credentials in the store: one in the place of another, all or nothing, for every process to see."""

import asyncio
import os
from dataclasses import replace

import pytest

from broker.domain.apikey import matches, new_key
from broker.domain.roster import Roster
from broker.store.engine import Database
from broker.store.machines import (
    KEPT_ENDED,
    add_machine,
    last_uses,
    machines_used,
    replace_machine,
    revoke_machines,
)
from broker.store.setup import migrating, upgrade
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, Denied, NotFound
from tests.support.records import NOW, RECORD, a_login, a_machine, store_url

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


async def test_a_new_key_ends_what_the_former_was_exchanged_for(store, other, new):
    """In the change that brings it; what came by other ways, or from another client's key, goes on."""
    client, another = await a_client_of(store), await a_client_of(store, "other")
    ended = (await new(client, "a", from_key=client.key_id)).made
    kept = [(await new(client, "b")).made, (await new(another, "a", from_key=another.key_id)).made]
    before = await other.change_counter()
    rotated = await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    seen = await other.changes(before)
    assert (seen.clients, seen.revision) == ((rotated,), before + 1)
    assert [(one.id, one.revoked_at) for one in seen.machines] == [(ended.id, NOW)]
    assert await told(store, "machine.revoked") == [
        f"machine {ended.id} a, with the API key that it came from"
    ]
    assert {one.id for one in kept} < {one.id for one in (await store.snapshot()).machines}


async def test_a_second_new_key_ends_what_the_first_brought_and_nothing_twice(store, new):
    """What ended with one key keeps its date and its one record."""
    client = await a_client_of(store)
    for name in ("a", "b"):
        await new(client, name, from_key=client.key_id)
        client = await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    assert [one.partition(",")[0] for one in await told(store, "machine.revoked")] == [
        "machine 1 a",
        "machine 2 b",
    ]


async def test_what_expired_before_does_not_end_with_its_key(store, new):
    """Nobody is told of the end of what had ended."""
    client = await a_client_of(store)
    expired = (await new(client, from_key=client.key_id, expires_at=NOW)).made
    await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    assert (await store.snapshot()).machines == (expired,)
    assert await told(store, "machine.revoked") == []


@pytest.mark.parametrize("how", ["rotated", "revoked"])
async def test_a_key_that_ended_after_it_was_looked_at_brings_nothing(store, new, how):
    """An exchange that loses the race against its key's end changes nothing."""
    client = await a_client_of(store)
    held = (await new(client)).made
    if how == "rotated":
        await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    else:
        await store.revoke_client(client.id, RECORD)
    with pytest.raises(Denied, match="does not count any more") as caught:
        await new(client, from_key=client.key_id)
    assert caught.value.code == "invalid_token"
    assert (await store.snapshot()).machines == (held,)


async def test_exchanges_and_a_rotation_at_once_leave_none_of_the_former_key(store, other, new):
    """Whichever comes first: none is made after its key has ended, and all before end with it."""
    client = await a_client_of(store)

    async def exchanged(turn):
        return await new(client, f"m{turn}", by=(store, other)[turn % 2], at_most=99, from_key=client.key_id)

    rotation = other.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    await asyncio.gather(*map(exchanged, range(10)), rotation, return_exceptions=True)
    assert [one for one in (await store.snapshot()).machines if one.revoked_at is None] == []


async def test_what_ended_long_ago_is_forgotten(store, new):
    """A machine that enrols time and again does not fill the store; the trail has each of them."""
    client, another = await a_client_of(store), await a_client_of(store, "other")
    kept = (await new(another)).made
    await new(another)
    for _ in range(KEPT_ENDED + 3):
        live = (await new(client)).made
    held = (await store.snapshot()).machines
    assert len([one for one in held if one.client == client.id]) == KEPT_ENDED + 1
    assert {kept.id, live.id} < {one.id for one in held}
    assert len(await told(store, "machine.revoked")) == KEPT_ENDED + 3


def test_the_roster_forgets_the_same():
    """The newest that ended stay, and whatever lives, however old."""
    roster = Roster()
    for number in range(1, 7):
        ended = {2: {"revoked_at": NOW}, 3: {"expires_at": NOW}, 5: {"revoked_at": NOW}}.get(number, {})
        roster.put_machine(a_machine(id=number, key_id=f"key-{number}", **ended))
    roster.put_machine(a_machine(id=7, client=2, key_id="key-7", revoked_at=NOW))
    roster.keep_ended(1, 1, NOW)
    assert [one.id for one in roster.machines_of(1)] == [1, 4, 5, 6]
    assert roster.machine_by_key("key-2") is None
    assert [one.id for one in roster.machines_of(2)] == [7]
    roster.keep_ended(1, 1, NOW)
    assert len(roster.machines_of(1)) == 4


async def test_credentials_from_before_come_from_no_key(tmp_path, seal):
    """A store of the former schema is migrated, and a new key ends none of them."""
    url = store_url(tmp_path)
    database = Database(url)
    async with migrating(database) as connection:
        await connection.run_sync(upgrade, "0005")
    await database.close()
    store = await Store.open(url, seal, now=lambda: NOW)
    client = await a_client_of(store)
    made = await add_machine(store, new_key("cbr", os.urandom), ADDED, client=client.id, account=1, name="ci")
    assert made.from_key is None
    await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    assert (await store.snapshot()).machines == (made,)
    await store.close()
