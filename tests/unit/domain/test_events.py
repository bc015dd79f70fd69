"""Which events a row takes: the match of login, generation and attempt."""

import pytest

from broker.domain.account import Event, ImpossibleEventError, State
from broker.domain.events import judge
from tests.support.records import an_account

MINE = {"login_id": "login-1", "generation": 3, "attempt_id": "a-1"}
OUTCOMES = (Event.NOT_SENT, Event.REFUSED, Event.TRY_LATER, Event.UNKNOWN, Event.OWNER_GONE)
ANSWERS = (Event.TOKENS, Event.JOURNAL_ANSWER)
WAITING = (State.REFRESHING, State.REPLAYING)


def _row(state, attempt_id="a-1"):
    return an_account(state=state, attempt_id=attempt_id)


@pytest.mark.parametrize("event", OUTCOMES + ANSWERS)
@pytest.mark.parametrize("state", WAITING)
def test_the_awaited_attempt_follows_the_table(state, event):
    """Every outcome of the attempt that the row waits for counts."""
    assert judge(_row(state), event, **MINE) is not None


@pytest.mark.parametrize("changed", [{"login_id": "login-2"}, {"generation": 2}, {"generation": 4}], ids=str)
@pytest.mark.parametrize("event", OUTCOMES + ANSWERS)
@pytest.mark.parametrize("state", State)
def test_another_login_or_generation_is_late(state, event, changed):
    """Nothing of another login or generation ever counts, tokens included."""
    assert judge(_row(state), event, **(MINE | changed)) is None


@pytest.mark.parametrize("event", OUTCOMES)
@pytest.mark.parametrize("state", State)
def test_another_attempts_outcome_is_late(state, event):
    """An outcome without tokens counts only for the attempt that the row waits for."""
    assert judge(_row(state, attempt_id="a-2"), event, **MINE) is None


@pytest.mark.parametrize("event", ANSWERS)
@pytest.mark.parametrize("state", [State.REFRESHING, State.REPLAYING, State.IN_DOUBT, State.LOGIN_REQUIRED])
def test_another_attempts_tokens_win(state, event):
    """A token answer for the row's own generation wins, whoever holds the lease now."""
    found = judge(_row(state, attempt_id="a-2"), event, **MINE)
    assert found is not None
    assert (found.to, found.rotated) == (State.ACTIVE, True)


@pytest.mark.parametrize("event", OUTCOMES)
@pytest.mark.parametrize("state", [State.IN_DOUBT, State.LOGIN_REQUIRED])
def test_a_second_outcome_is_late(state, event):
    """A row that has stopped waiting takes no further outcome of the same attempt."""
    assert judge(_row(state), event, **MINE) is None


@pytest.mark.parametrize("event", OUTCOMES + ANSWERS)
def test_an_active_row_waits_for_nothing(event):
    """Everything is late for an active row, so tokens are kept beside it instead."""
    assert judge(_row(State.ACTIVE, attempt_id=None), event, **MINE) is None


@pytest.mark.parametrize("event", [Event.DUE, Event.LOGIN_DONE])
def test_what_is_no_outcome_raises(event):
    """Asking about something that no attempt can bring is a bug in the caller."""
    with pytest.raises(ImpossibleEventError):
        judge(_row(State.REFRESHING), event, **MINE)
