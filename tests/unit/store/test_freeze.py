"""Taking an account out of renewal, and telling of late answers."""

from dataclasses import replace

import pytest

from broker.domain.account import Event, State
from tests.support.records import RECORD, a_login, tokens


@pytest.fixture
async def account(store):
    return await store.add_account("work", a_login(), RECORD)


async def test_a_frozen_account_is_never_armed(store, account):
    """It waits for a login, with the reason, and no attempt begins; frozen again, it stays so."""
    frozen = await store.freeze(account, "exported", RECORD)
    assert (frozen.state, frozen.last_error) == (State.LOGIN_REQUIRED, "exported")
    assert frozen.refresh_token == account.refresh_token
    attempt = {"attempt_id": "a", "journal_id": "h", "lease_s": 90, "audit": RECORD}
    assert await store.arm(account, to=State.REFRESHING, **attempt) is None
    assert (await store.freeze(frozen, "exported", RECORD)).state is State.LOGIN_REQUIRED


async def test_what_is_under_way_is_not_frozen(store, account):
    """An exchange that began first has the account, and the trail says nothing of a freeze."""
    attempt = {"attempt_id": "a", "journal_id": "h", "lease_s": 90, "audit": RECORD}
    armed = await store.arm(account, to=State.REFRESHING, **attempt)
    records = await store.list_audit()
    assert await store.freeze(account, "exported", RECORD) is None
    assert await store.freeze(armed, "exported", RECORD) is None
    assert await store.list_audit() == records


async def test_a_refused_account_is_not_frozen_for_another_reason(store, account):
    """Only an active account can be handed out; a refused one has nothing to hand out."""
    refused = replace(await store.freeze(account, "other", RECORD))
    assert await store.freeze(refused, "exported", RECORD) is None


async def test_late_answers_are_told_without_their_tokens(store, account):
    """Which row, which generation, when; nothing else."""
    gone = replace(account, login_id="f" * 32, generation=7)
    assert await store.commit_tokens(gone, "a", Event.TOKENS, tokens("late"), RECORD) is None
    (late,) = await store.late_answers()
    assert (late.account, late.generation) == (account.id, 7)
    assert "rt-late" not in repr(late)
