"""Accounts taken out of renewal, and the homes that a store names."""

import pytest

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.secondlife import Why
from broker.store.lives import Cause, homes, restore, settle_in
from tests.support.records import NOW, RECORD, a_login

CAUSE = Cause(why=Why.SLEPT, detail="2026-11-16T10:00:00Z", at=NOW)
WORD = "home_slept: 2026-11-16T10:00:00Z"


@pytest.fixture
async def account(store):
    return await store.add_account("work", a_login(), RECORD)


async def arm(store, account, to=State.REFRESHING):
    return await store.arm(account, to=to, attempt_id="a-1", journal_id="j", lease_s=90, audit=RECORD)


async def settle(store, armed, event, word="x"):
    return await store.settle(armed, "a-1", event, failures=1, last_error=word, audit=RECORD)


async def in_state(store, account, state):
    """Bring an account there by the events that lead there."""
    if state is State.ACTIVE:
        return account
    armed = await arm(store, account)
    if state is State.REFRESHING:
        return armed
    if state is State.LOGIN_REQUIRED:
        return await settle(store, armed, Event.REFUSED, "other_holder: invalid_grant")
    doubted = await settle(store, armed, Event.UNKNOWN)
    return doubted if state is State.IN_DOUBT else await arm(store, doubted, State.REPLAYING)


@pytest.mark.parametrize(
    ("state", "after", "word"),
    [
        (State.ACTIVE, State.ACTIVE, WORD),
        (State.REFRESHING, State.IN_DOUBT, WORD),
        (State.REPLAYING, State.IN_DOUBT, WORD),
        (State.IN_DOUBT, State.IN_DOUBT, WORD),
        (State.LOGIN_REQUIRED, State.LOGIN_REQUIRED, "other_holder: invalid_grant"),
    ],
)
async def test_every_state_has_its_end(store, account, state, after, word):
    """What was under way is in doubt; a refusal keeps its own reason."""
    await in_state(store, account, state)
    [marked] = await restore(store, {account.id}, CAUSE)
    assert (marked.state, marked.restored, marked.last_error) == (after, True, word)
    assert (marked.lease_until, marked.generation, marked.login_id) == (None, 0, account.login_id)


async def test_it_is_recorded_once_for_each_account(store, account):
    """A second time changes nothing; asked for again, the newest cause is told."""
    other = await store.add_account("other", a_login("o", account_id="o", user_id="o"), RECORD)
    assert len(await restore(store, {account.id, other.id}, CAUSE)) == 2
    assert await restore(store, {account.id, other.id}, CAUSE) == []
    newer = Cause(why=Why.FILE, at=NOW)
    [again] = await restore(store, {account.id}, newer, again=True)
    assert again.last_error == "file_moved_on"
    trail = [each for each in await store.list_audit() if each.action == Action.ACCOUNT_RESTORED]
    assert [(each.account, each.outcome) for each in trail] == [
        ("work", "home_slept"),
        ("other", "home_slept"),
        ("work", "file_moved_on"),
    ]


async def test_only_the_named_accounts(store, account):
    """Others go on."""
    await store.add_account("other", a_login("o", account_id="o", user_id="o"), RECORD)
    await restore(store, {account.id}, CAUSE)
    found = {each.name: each.restored for each in (await store.snapshot()).accounts}
    assert found == {"work": True, "other": False}


@pytest.mark.parametrize("above", [0, 1, 1000])
async def test_revisions_are_put_past_a_mark(store, account, above):
    """The change counter and the rows are newer than whatever was seen before."""
    before = await store.change_counter()
    [marked] = await restore(store, {account.id}, CAUSE, above=above)
    assert marked.revision == await store.change_counter() == max(before, above) + 1
    assert [each.id for each in (await store.changes(before)).accounts] == [account.id]


async def test_a_new_login_ends_it(store, account):
    """Logging in again is a remedy for every cause."""
    await restore(store, {account.id}, CAUSE)
    replaced = await store.replace_login(account.id, a_login("1", issued_at=int(NOW) + 1), RECORD)
    assert (replaced.restored, replaced.last_error) == (False, "")


async def test_a_store_names_one_home(store):
    """The last one that settled in; a new store names none."""
    assert await homes(store) == frozenset()
    await settle_in(store, "a" * 32)
    await settle_in(store, "b" * 32)
    assert await homes(store) == {"b" * 32}
