"""Authorization codes in a real store: one credential each, and none for whoever brings a code twice."""

import asyncio
import os

import pytest

from broker.domain.apikey import new_key
from broker.domain.device import DeviceState, Hashed
from broker.domain.machine import EXCHANGED_LIVES_S
from broker.domain.records import AuditRecord
from broker.store.devices import find_device
from broker.store.machines import revoke_machines
from broker.store.redeeming import redeem_code
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret
from tests.support.devices import DAY, Logins
from tests.support.records import NOW, RECORD


@pytest.fixture
def seal(template):
    return template.seal


@pytest.fixture
def url(template, tmp_path):
    return template.copied(tmp_path)


@pytest.fixture
async def logins(store):
    return await Logins.of(store)


async def live(store):
    return [one for one in (await store.snapshot()).machines if one.revoked_at is None]


async def test_a_code_brings_one_credential(logins):
    """For the account and by the name that were approved, for 30 days; the trail has all that happened."""
    new = await logins.approved()
    made, ended = (done := await logins.redeem(new)).made, done.ended
    assert ended == ()
    assert (made.account, made.name, made.expires_at) == (
        logins.accounts["work"],
        "box",
        NOW + EXCHANGED_LIVES_S,
    )
    found = await find_device(logins.store, Hashed.DEVICE, new.device)
    assert (found.state, found.credential, found.client) == (DeviceState.SPENT, made.id, made.client)
    assert (await logins.trail())[-3:] == [
        ("device.redeemed", "laptop", "work", "ok", "machine box"),
        ("machine.added", "laptop", "work", "ok", f"machine {made.id} box, by device login"),
        ("token.served", "laptop", "work", "ok", f"machine {made.id} box"),
    ]


async def test_a_credential_ends_with_its_client(logins):
    """Where that ends before."""
    await logins.client("laptop", "work", expires_at=NOW + DAY)
    new = await logins.approved(await logins.invited(device=True))
    assert (await logins.redeem(new)).made.expires_at == NOW + DAY


async def test_a_replayed_code_ends_what_it_brought(logins, other):
    """Whichever process it comes to; a third time there is nothing left to end."""
    new = await logins.approved()
    made = (await logins.redeem(new)).made
    replayed = await logins.redeem(new, by=other)
    assert replayed.made is None
    assert [(one.id, one.revoked_at) for one in replayed.ended] == [(made.id, NOW)]
    third = await logins.redeem(new)
    assert (third.made, third.ended) == (None, ())
    assert await live(logins.store) == []
    assert (await logins.trail("device.", "machine."))[-3:] == [
        ("device.replayed", "laptop", "work", "invalid_grant", "machine box"),
        ("machine.revoked", "laptop", "work", "ok", f"machine {made.id} box, its code came twice"),
        ("device.replayed", "laptop", "work", "invalid_grant", "machine box"),
    ]


async def test_twenty_at_once_with_one_code_leave_nothing_live(logins, other):
    """One is answered, the others end what it got: a code that is in two hands is in the wrong ones."""
    new = await logins.approved()
    done = await asyncio.gather(
        *(logins.redeem(new, by=(logins.store, other)[number % 2]) for number in range(20))
    )
    assert len([one for one in done if one.made]) == 1
    assert await live(logins.store) == []


async def test_a_replay_of_a_former_code_does_not_end_the_newer_credential(logins):
    """Each code answers for what it brought itself."""
    first = await logins.approved()
    await logins.redeem(first)
    second = await logins.approved(await logins.invited(device=True))
    made = (await logins.redeem(second)).made
    await logins.redeem(first)
    assert [one.id for one in await live(logins.store)] == [made.id]


async def test_a_machine_that_comes_again_loses_its_former_credential(logins):
    """In one transaction; the trail names both."""
    former = (await logins.redeem(await logins.approved())).made
    new = await logins.approved(await logins.invited(device=True))
    before = await logins.store.change_counter()
    done = await logins.redeem(new)
    assert await logins.store.change_counter() == before + 1
    assert [one.id for one in done.ended] == [former.id]
    assert await live(logins.store) == [done.made]
    told = f"machine {former.id} box, replaced by {done.made.id}"
    assert ("machine.revoked", "laptop", "work", "ok", told) in await logins.trail()


async def test_other_machines_of_the_client_go_on(logins):
    """Another name is another machine."""
    await logins.redeem(await logins.approved())
    new = await logins.approved(await logins.invited(device=True), machine="box2")
    assert (await logins.redeem(new)).ended == ()
    assert len(await live(logins.store)) == 2


async def test_a_client_with_too_many_machines_gets_no_more(logins):
    """The code stays good: one may be revoked, and the same code asked again."""
    await logins.redeem(await logins.approved())
    new = await logins.approved(await logins.invited(device=True), machine="box2")
    with pytest.raises(ConfigError) as caught:
        await logins.redeem(new, at_most=1)
    assert caught.value.code == "too_many_machines"
    await revoke_machines(logins.store, {one.id for one in await live(logins.store)}, RECORD)
    assert (await logins.redeem(new, at_most=1)).made is not None


@pytest.mark.parametrize("state", ["waiting", "denied", "void"])
async def test_what_is_not_approved_brings_nothing(logins, sql, state):
    """Whoever waits, or was denied, has a code that is worth nothing yet, or never."""
    new = await logins.approved()
    sql("UPDATE device_requests SET state = ?", state)
    done = await logins.redeem(new)
    assert (done.made, done.ended, await live(logins.store)) == (None, (), [])


async def test_an_unknown_code_brings_nothing(logins):
    """Nor does another secret of the same login stand for it."""
    new = await logins.approved()
    audit = AuditRecord(at=NOW, action="")
    for text in (Secret("x" * 43), new.device, new.user_code):
        done = await redeem_code(logins.store, text, new_key("cbr", os.urandom), audit, at_most=9)
        assert (done.made, done.ended) == (None, ())
    assert (await logins.redeem(new)).made is not None


@pytest.mark.parametrize("change", ["revoke", "ungrant", "disable"])
async def test_what_the_client_lost_a_moment_ago_is_not_brought(logins, change):
    """Whatever the process that was asked knows of it by then; nothing is spent."""
    new = await logins.approved()
    (client,) = (await logins.store.snapshot()).clients
    work = logins.accounts["work"]
    if change == "revoke":
        await logins.store.revoke_client(client.id, RECORD)
    elif change == "ungrant":
        await logins.store.change_grants(client.id, RECORD, remove={work})
    else:
        await logins.store.set_flags(work, RECORD, disabled=True)
    before = await logins.store.change_counter()
    with pytest.raises(NotFound):
        await logins.redeem(new)
    assert await logins.store.change_counter() == before
    found = await find_device(logins.store, Hashed.DEVICE, new.device)
    assert found.state is DeviceState.APPROVED


async def test_a_code_that_comes_too_late_brings_nothing(url, seal):
    """Ten minutes after the login was asked for."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        logins = await Logins.of(opened)
        new = await logins.approved()
        now[0] += 600
        assert (await logins.redeem(new)).made is None
    finally:
        await opened.close()


async def test_an_account_that_is_removed_takes_its_logins_along(logins):
    """Nothing is left that could bring a token."""
    new = await logins.approved()
    await logins.store.remove_account(logins.accounts["work"], RECORD)
    assert await find_device(logins.store, Hashed.DEVICE, new.device) is None
    assert (await logins.redeem(new)).made is None


async def test_nothing_is_spent_where_the_store_fails(logins, monkeypatch):
    """The credential, the end of the former one and the spent code are one transaction."""
    former = (await logins.redeem(await logins.approved())).made
    new = await logins.approved(await logins.invited(device=True))

    async def fail(*_):
        raise NotFound("gone", hint="-")

    monkeypatch.setattr("broker.store.work.Work.log_also", fail)
    with pytest.raises(NotFound):
        await logins.redeem(new)
    monkeypatch.undo()
    assert await live(logins.store) == [former]
    assert (await logins.redeem(new)).made is not None
