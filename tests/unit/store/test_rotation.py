"""Arming an attempt and settling it without tokens."""

import asyncio
import time
from dataclasses import replace

import pytest

from broker.domain.account import TABLE, Event, ImpossibleEventError, State
from tests.support.records import NOW, RECORD, a_login

WITHOUT_TOKENS = (Event.NOT_SENT, Event.REFUSED, Event.TRY_LATER, Event.UNKNOWN, Event.OWNER_GONE)


async def _arm(store, account, attempt_id="a-1", to=State.REFRESHING, lease_s=90.0):
    return await store.arm(
        account, to=to, attempt_id=attempt_id, journal_id="host:1", lease_s=lease_s, audit=RECORD
    )


async def _settle(store, account, event, attempt_id="a-1", **changes):
    known = {"not_before_s": NOW + 60, "failures": 1, "last_error": "timeout", "audit": RECORD}
    return await store.settle(account, attempt_id, event, **(known | changes))


@pytest.fixture
async def account(store):
    return await store.add_account("work", a_login(), RECORD)


@pytest.fixture
async def doubtful(store, account):
    return await _settle(store, await _arm(store, account), Event.UNKNOWN)


async def test_arming_names_the_attempt(store, other, account):
    """The intent is durable, with attempt, journal and lease, for every process."""
    armed = await _arm(store, account)
    assert (armed.state, armed.attempt_id, armed.journal_id) == (State.REFRESHING, "a-1", "host:1")
    assert (armed.login_id, armed.generation) == (account.login_id, account.generation)
    assert (await other.snapshot()).accounts == (armed,)
    assert await other.unsettled() == [armed]


async def test_the_lease_runs_on_the_databases_clock(store, account):
    """Whatever our own clock says, the lease ends that long after the database's now."""
    before = await store.database_now()
    armed = await _arm(store, account, lease_s=90)
    after = await store.database_now()
    # Milliseconds are all that SQLite's clock gives.
    assert before + 90 <= armed.lease_until <= after + 90
    assert abs(before - time.time()) < 3600
    assert abs(before - NOW) > 3600


async def test_only_one_caller_gets_it(store, other, account):
    """Of two callers who saw the same row one arms it, the other gets nothing and leaves no trace."""
    armed = await _arm(store, account)
    before = await store.list_audit(), await store.change_counter()
    assert await _arm(other, account, "a-2") is None
    assert (await store.list_audit(), await store.change_counter()) == before
    assert (await store.unsettled())[0].attempt_id == armed.attempt_id


@pytest.mark.parametrize(
    "changes", [{"login_id": "other"}, {"generation": 1}, {"id": 99}], ids=["login", "generation", "row"]
)
async def test_a_row_that_moved_on_is_not_armed(store, account, changes):
    """Login, generation and row must be those that the caller saw."""
    assert await _arm(store, replace(account, **changes)) is None


@pytest.mark.parametrize(
    ("state", "to"),
    [
        (State.ACTIVE, State.REPLAYING),
        (State.ACTIVE, State.IN_DOUBT),
        (State.REFRESHING, State.REFRESHING),
        (State.IN_DOUBT, State.REFRESHING),
        (State.LOGIN_REQUIRED, State.REFRESHING),
        (State.LOGIN_REQUIRED, State.LOGIN_REQUIRED),
    ],
)
async def test_what_the_table_does_not_know_is_not_armed(store, account, state, to):
    """Only active to refreshing and in doubt to replaying can be armed."""
    with pytest.raises(ValueError, match="cannot be armed"):
        await _arm(store, replace(account, state=state), to=to)


async def test_a_replay_is_armed_from_doubt_and_marked_used(store, doubtful):
    """The replay has an attempt of its own, and the one that there is is used up."""
    replaying = await _arm(store, doubtful, "a-2", to=State.REPLAYING)
    assert (replaying.state, replaying.attempt_id, replaying.replay_used) == (State.REPLAYING, "a-2", True)


async def test_an_unsent_replay_is_given_back(store, doubtful):
    """A replay that was certainly not sent leaves the account in doubt with its replay unused."""
    replaying = await _arm(store, doubtful, "a-2", to=State.REPLAYING)
    settled = await _settle(store, replaying, Event.NOT_SENT, "a-2")
    assert (settled.state, settled.replay_used) == (State.IN_DOUBT, False)


async def test_an_unanswered_replay_stays_used(store, doubtful):
    """A replay of which nothing is known is used up."""
    replaying = await _arm(store, doubtful, "a-2", to=State.REPLAYING)
    settled = await _settle(store, replaying, Event.UNKNOWN, "a-2")
    assert (settled.state, settled.replay_used) == (State.IN_DOUBT, True)


async def test_a_replay_is_armed_only_for_the_attempt_that_was_looked_at(store, doubtful):
    """One that another hand sent meanwhile and lost again used up the replay; an old look arms no second."""
    replaying = await _arm(store, doubtful, "a-2", to=State.REPLAYING)
    await _settle(store, replaying, Event.UNKNOWN, "a-2")
    assert await _arm(store, doubtful, "a-3", to=State.REPLAYING) is None


@pytest.mark.parametrize("event", WITHOUT_TOKENS)
async def test_an_outcome_follows_the_table(store, account, event):
    """Each outcome leads where the table says and keeps what is to be told of it."""
    armed = await _arm(store, account)
    settled = await _settle(store, armed, event)
    assert settled.state is TABLE[State.REFRESHING][event].to
    assert (settled.not_before_s, settled.failures, settled.last_error) == (NOW + 60, 1, "timeout")
    assert settled.generation == account.generation
    assert settled.refresh_token == account.refresh_token
    assert settled.lease_until is None


@pytest.mark.parametrize("event", WITHOUT_TOKENS)
async def test_only_doubt_keeps_the_journals_name(store, account, event):
    """In doubt the row still names the attempt and its journal; in any other state none."""
    settled = await _settle(store, await _arm(store, account), event)
    named = ("a-1", "host:1") if settled.state is State.IN_DOUBT else (None, None)
    assert (settled.attempt_id, settled.journal_id) == named


@pytest.mark.parametrize("event", WITHOUT_TOKENS)
async def test_a_late_outcome_changes_nothing(store, account, event):
    """An outcome of an attempt that the row does not wait for leaves row, trail and counter alone."""
    armed = await _arm(store, account)
    await _settle(store, armed, Event.NOT_SENT)
    await _arm(store, account, "a-2")
    before = await store.snapshot(), await store.list_audit()
    assert await _settle(store, armed, event) is None
    assert (await store.snapshot(), await store.list_audit()) == before


async def test_an_outcome_for_a_removed_account_is_late(store, account):
    """When the account went away meanwhile there is nothing to settle."""
    armed = await _arm(store, account)
    await store.remove_account(account.id, RECORD)
    assert await _settle(store, armed, Event.REFUSED) is None


async def test_tokens_are_not_settled(store, account):
    """Passing off a token answer as an outcome without tokens is a bug in the caller."""
    armed = await _arm(store, account)
    with pytest.raises(ValueError, match="must be committed"):
        await _settle(store, armed, Event.TOKENS)
    with pytest.raises(ImpossibleEventError):
        await _settle(store, armed, Event.DUE)
    assert await store.unsettled() == [armed]


async def test_each_step_is_in_the_trail(store, account):
    """Intent and outcome have a record each, written with them."""
    armed = await _arm(store, account)
    await store.settle(
        armed,
        "a-1",
        Event.TRY_LATER,
        failures=1,
        last_error="",
        audit=RECORD._replace(action="account.settled", outcome="try_later"),
    )
    assert [(record.action, record.outcome) for record in await store.list_audit()] == [
        ("account.added", "ok"),
        ("account.added", "ok"),
        ("account.settled", "try_later"),
    ]


async def test_two_stores_race_and_one_wins_every_round(store, other, account):
    """Over many rounds of contended arming from two stores, exactly one attempt is armed in each."""
    for number in range(40):
        callers = [(store, f"s-{number}-{n}") for n in range(3)] + [
            (other, f"o-{number}-{n}") for n in range(3)
        ]
        armed = [
            won
            for won in await asyncio.gather(*(_arm(whose, account, name) for whose, name in callers))
            if won
        ]
        assert len(armed) == 1
        assert (await other.unsettled())[0].attempt_id == armed[0].attempt_id
        account = await _settle(other, armed[0], Event.NOT_SENT, armed[0].attempt_id)
    assert len(await store.list_audit()) == 1 + 2 * 40
