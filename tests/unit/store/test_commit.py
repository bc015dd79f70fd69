"""Keeping token answers: in the row, once, or sealed beside it when late."""

import asyncio
import json
from dataclasses import replace

import pytest

from broker.domain.account import Event, State
from broker.domain.records import Held
from broker.domain.secondlife import Why
from broker.store.lives import Cause, restore
from fetchtoken.domain.errors import Unsafe
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, RECORD, a_login, tokens

ROTATED = RECORD._replace(action="account.rotated")


async def _arm(store, account, attempt_id="a-1", to=State.REFRESHING):
    return await store.arm(account, to=to, attempt_id=attempt_id, journal_id="j", lease_s=90, audit=RECORD)


async def _commit(store, armed, word="1", event=Event.TOKENS, attempt_id="a-1", **changes):
    return await store.commit_tokens(armed, attempt_id, event, tokens(word, **changes), ROTATED)


async def _settle(store, armed, event, attempt_id="a-1"):
    return await store.settle(armed, attempt_id, event, failures=1, last_error="x", audit=RECORD)


@pytest.fixture
async def account(store):
    return await store.add_account("work", a_login(), RECORD)


@pytest.fixture
async def armed(store, account):
    return await _arm(store, account)


@pytest.mark.parametrize("event", [Event.TOKENS, Event.JOURNAL_ANSWER])
async def test_an_answer_makes_the_next_generation(store, other, armed, event):
    """The new tokens are in the row, the attempt is over and its history forgotten."""
    later = {"issued_at": int(NOW) + 9, "expires_at": int(NOW) + 99_999, "refresh_after": NOW + 50_000}
    kept = await _commit(store, armed, event=event, **later)
    assert (kept.state, kept.generation, kept.login_id) == (State.ACTIVE, 1, armed.login_id)
    assert (kept.access_token, kept.refresh_token, kept.id_token) == (
        Secret("at-1"),
        Secret("rt-1"),
        Secret("id-1"),
    )
    assert (kept.issued_at, kept.expires_at, kept.refresh_after) == tuple(later.values())
    assert (kept.attempt_id, kept.journal_id, kept.lease_until, kept.failures) == (None, None, None, 0)
    assert (await other.snapshot()).accounts == (kept,)
    assert (await store.list_audit())[-1] == ROTATED


@pytest.mark.parametrize("changes", [{"refresh_token": None}, {"id_token": None}], ids=["refresh", "id"])
async def test_what_is_absent_stays(store, other, armed, changes):
    """A token that the answer lacks is the old one, under the new generation."""
    await _commit(store, armed, **changes)
    [kept] = (await other.snapshot()).accounts
    assert kept.generation == 1
    assert kept.refresh_token == Secret("rt-0" if "refresh_token" in changes else "rt-1")
    assert kept.id_token == Secret("id-0" if "id_token" in changes else "id-1")


@pytest.mark.parametrize("refresh", [None, Secret("rt-0")], ids=["absent", "same"])
async def test_a_refresh_token_that_did_not_change_is_not_spent(store, armed, refresh):
    """Only a different refresh token in the answer makes the old one spent."""
    await _commit(store, armed, refresh_token=refresh)
    assert await store.find_fingerprint(Secret("rt-0")) == Held("work")


async def test_profile_follows_the_answer(store, armed):
    """Plan and e-mail are what the newest tokens say; what they do not say stays."""
    kept = await _commit(store, armed, plan_type="team", email="")
    assert (kept.plan_type, kept.email) == ("team", "someone@example.com")


@pytest.mark.trap("T9")
@pytest.mark.parametrize(
    "changes", [{"account_id": "acct-9"}, {"user_id": "user-9"}], ids=["account", "user"]
)
async def test_another_identity_is_kept_with_an_alarm(store, armed, changes):
    """An answer for somebody else is never dropped; the row keeps its identity and the trail tells."""
    kept = await _commit(store, armed, plan_type="free", **changes)
    assert kept.access_token == Secret("at-1")
    assert (kept.identity, kept.plan_type) == (("acct-1", "user-1"), "pro")
    alarm = (await store.list_audit())[-1]
    assert (alarm.action, alarm.outcome) == ("account.identity_alarm", "identity_mismatch")
    assert next(iter(changes.values())) in alarm.detail


async def test_an_answer_without_identity_raises_no_alarm(store, armed):
    """What an answer does not say contradicts nothing."""
    await _commit(store, armed, account_id="", user_id="")
    assert (await store.list_audit())[-1] == ROTATED


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.LOGIN_REQUIRED, State.REPLAYING])
async def test_an_answer_wins_over_every_verdict(store, armed, state):
    """A token answer that turns up later still counts for its own generation."""
    settled = await _settle(
        store, armed, Event.REFUSED if state is State.LOGIN_REQUIRED else Event.OWNER_GONE
    )
    if state is State.REPLAYING:
        await _arm(store, settled, "a-2", to=State.REPLAYING)
    kept = await _commit(store, armed)
    assert (kept.state, kept.generation, kept.replay_used) == (State.ACTIVE, 1, False)


async def test_the_loser_of_a_replay_is_late(store, armed):
    """After the first attempt's answer was kept, the replay's refusal changes nothing."""
    doubtful = await _settle(store, armed, Event.UNKNOWN)
    replaying = await _arm(store, doubtful, "a-2", to=State.REPLAYING)
    kept = await _commit(store, armed)
    assert await _settle(store, replaying, Event.REFUSED, "a-2") is None
    assert (await store.snapshot()).accounts == (kept,)


async def test_the_same_answer_twice_is_kept_once(store, sql, armed):
    """A journal file that outlived its commit is recognised, now and after further rotations."""
    kept = await _commit(store, armed)
    before = await store.list_audit(), await store.change_counter()
    assert await _commit(store, armed, event=Event.JOURNAL_ANSWER) == kept
    assert (await store.list_audit(), await store.change_counter()) == before
    again = await _commit(store, await _arm(store, kept, "a-2"), "2", attempt_id="a-2")
    assert await _commit(store, armed, event=Event.JOURNAL_ANSWER) == again
    assert sql("SELECT count(*) FROM orphans") == [(0,)]


async def test_the_same_answer_without_refresh_token_is_recognised(store, sql, armed):
    """Without a refresh token the access token tells that the answer is already kept."""
    kept = await _commit(store, armed, refresh_token=None)
    assert await _commit(store, armed, refresh_token=None) == kept
    assert sql("SELECT count(*) FROM orphans") == [(0,)]


async def _new_login(store, armed):
    await store.replace_login(armed.id, a_login("new"), RECORD)


async def _removal(store, armed):
    await store.remove_account(armed.id, RECORD)


async def _other_answer(store, armed):
    await _commit(store, armed, "other")


async def _not_sent(store, armed):
    await _settle(store, armed, Event.NOT_SENT)


@pytest.mark.parametrize("meanwhile", [_new_login, _removal, _other_answer, _not_sent])
async def test_a_late_answer_is_kept_sealed(store, seal, sql, armed, meanwhile):
    """An answer that no row waits for any more is kept beside it, once, and the trail tells."""
    await meanwhile(store, armed)
    rows = (await store.snapshot()).accounts
    for _ in range(2):
        assert await _commit(store, armed, "late", refresh_token=None) is None
    assert (await store.snapshot()).accounts == rows
    [(login_id, generation, attempt_id, box)] = sql(
        "SELECT login_id, generation, attempt_id, box FROM orphans"
    )
    content = json.loads(seal.open(box, f"orphan:{login_id}:{generation}:{attempt_id}"))
    assert content == {"access_token": "at-late", "refresh_token": "", "id_token": "id-late"}
    told = [record for record in await store.list_audit() if record.action == "account.orphan"]
    assert [(record.outcome, record.account) for record in told] == [("late", "work")]


async def test_two_answers_of_one_generation_make_one_rotation(store, other, armed):
    """Committed by two processes at once, one answer is the next generation, the other an orphan."""
    kept = await asyncio.gather(
        _commit(store, armed, "1"), _commit(other, armed, "2", Event.JOURNAL_ANSWER, "a-2")
    )
    assert sorted(account is None for account in kept) == [False, True]
    [row] = (await store.snapshot()).accounts
    assert row.generation == 1


async def test_an_access_only_login_rotates_without_spending(store):
    """A row without refresh token takes one from an answer, and nothing becomes spent."""
    account = await store.add_account("work", a_login(refresh_token=None), RECORD)
    kept = await _commit(store, await _arm(store, account))
    assert kept.refresh_token == Secret("rt-1")


async def test_a_restored_account_is_whole_again_after_an_answer(store, account):
    """A rotation ends the time in which an account counts as restored."""
    account = await store.set_flags(account.id, RECORD, restored=True)
    assert not (await _commit(store, await _arm(store, account))).restored


async def test_an_answer_of_a_former_life_proves_nothing(store, account):
    """What a copy finds in its journal may be in the original, too: the account stays restored."""
    armed = await _arm(store, account)
    cause = Cause(why=Why.COPIED, detail="/copy", at=NOW)
    [marked] = await restore(store, {account.id}, cause)
    assert (marked.state, marked.restored) == (State.IN_DOUBT, True)
    kept = await _commit(store, armed, event=Event.JOURNAL_ANSWER)
    assert (kept.state, kept.generation, kept.restored) == (State.ACTIVE, 1, True)
    assert kept.last_error == "home_copied: /copy"


async def test_damaged_tokens_are_not_carried_over(store, sql, armed):
    """When the old refresh token is needed and does not open, nothing is written."""
    sql("UPDATE accounts SET refresh_box = x'0102'")
    before = sql("SELECT * FROM accounts")
    with pytest.raises(Unsafe, match="failed integrity check"):
        await _commit(store, armed, refresh_token=None)
    assert sql("SELECT * FROM accounts") == before


async def test_a_whole_answer_heals_a_damaged_row(store, sql, armed):
    """An answer that brings everything does not need what does not open."""
    sql("UPDATE accounts SET refresh_box = x'0102'")
    kept = await _commit(store, armed)
    assert (kept.sealed, kept.refresh_token, kept.generation) == (False, Secret("rt-1"), 1)


@pytest.mark.parametrize("kind", ["access", "refresh", "id"])
async def test_a_tampered_row_is_sealed_and_the_others_go_on(store, sql, account, kind):
    """One damaged box takes its own account out of service and names itself; nobody else suffers."""
    await store.add_account("home", a_login("h", account_id="acct-2"), RECORD)
    sql(f"UPDATE accounts SET {kind}_box = zeroblob(60) WHERE id = ?", account.id)  # noqa: S608 - our own word
    damaged, whole = sorted((await store.snapshot()).accounts, key=lambda one: one.id)
    assert (damaged.sealed, bool(damaged.access_token), bool(damaged.refresh_token)) == (True, False, False)
    assert f"account:{account.login_id}:0:{kind} failed integrity check" in damaged.last_error
    assert not whole.sealed


async def test_boxes_cannot_be_swapped_between_generations(store, sql, armed):
    """Putting the old refresh token's box back is noticed: it is bound to its generation."""
    [(old,)] = sql("SELECT refresh_box FROM accounts")
    await _commit(store, armed)
    sql("UPDATE accounts SET refresh_box = ?", old)
    [row] = (await store.snapshot()).accounts
    assert row.sealed


async def test_only_the_generation_that_was_sent_counts(store, armed):
    """An answer for another generation of the same login never becomes a row's next one."""
    assert await _commit(store, replace(armed, generation=1)) is None
    assert await store.unsettled() == [armed]
