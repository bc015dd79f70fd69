"""The states of an account, as rules, theory, table and a small interpreter.

Rules
    An account has one of five states. ``disabled`` is a flag beside the state, never a state.
    A token is served while it is not expired and the account not disabled, whatever the state.
    Events carry (login_id, generation, attempt). One that does not match its row is **late**: a
    legal no-op (see :mod:`broker.domain.events`). One that matches and has no cell is a
    programming error and raises.

Theory
    The issuer's commit and ours cannot be made atomic, so between them stands a durable intent
    (``refreshing``) that is also the lock. Whatever was sent and not answered is ``in_doubt``;
    only a person, a journaled answer or one deliberate ``replaying`` leads out of it. Only a
    refusal leads to ``login_required``: timeouts, 429 and 5xx never do. The generation grows
    with each token answer and starts again at 0 with each login.

The table is data: documents and tests are made from it.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["EXPORT", "REPLAY", "TABLE", "Event", "ImpossibleEventError", "State", "Step", "step"]


class State(StrEnum):
    """What an account is doing."""

    ACTIVE = "active"
    """Nothing outstanding: the refresh token held has not been sent."""
    REFRESHING = "refreshing"
    """An intent is durable; the refresh token may have been sent."""
    IN_DOUBT = "in_doubt"
    """Sent, answer unknown (X/Open XA)."""
    REPLAYING = "replaying"
    """Our own deliberate second sending of one generation."""
    LOGIN_REQUIRED = "login_required"
    """Refused by the issuer: a person must log in."""


class Event(StrEnum):
    """What can happen to an account."""

    DUE = "due"
    """The token should be renewed: by the clock, or on demand."""
    NOT_SENT = "not_sent"
    """The attempt ended before the whole request was handed over."""
    TOKENS = "tokens"
    """The attempt that the row waits for brought a usable access token."""
    REFUSED = "refused"
    """The issuer refused the refresh token for good."""
    TRY_LATER = "try_later"
    """The issuer answered completely and decided nothing."""
    UNKNOWN = "unknown"
    """Sent, and no answer that says what the issuer did."""
    OWNER_GONE = "owner_gone"
    """Whoever held the attempt is gone and left a journal without an answer, or none to read."""
    JOURNAL_ANSWER = "journal_answer"
    """A usable access token of this generation was found in a journal, or came from another attempt."""
    LOGIN_DONE = "login_done"
    """A person logged in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cell: where it leads and what changes with it."""

    to: State
    rotated: bool = False
    """The generation grows by one: new tokens are held."""
    new_login: bool = False
    """A new login_id, at generation 0."""
    replay_used: bool | None = None
    """Whether the one replay of this generation is used up; ``None`` leaves it as it was."""
    lost: bool = False
    """The refusal of our own replay: this loss is ours, no other holder need exist."""


class ImpossibleEventError(RuntimeError):
    """An event matched its row, but the table has no cell for it: a bug in the caller."""


_A, _R, _D, _P, _L = State.ACTIVE, State.REFRESHING, State.IN_DOUBT, State.REPLAYING, State.LOGIN_REQUIRED

_ROTATED = Step(to=_A, rotated=True, replay_used=False)
_NEW_LOGIN = Step(to=_A, new_login=True, replay_used=False)

TABLE: dict[State, dict[Event, Step]] = {
    _A: {
        Event.DUE: Step(to=_R),
        Event.LOGIN_DONE: _NEW_LOGIN,
    },
    _R: {
        Event.DUE: Step(to=_R),
        Event.NOT_SENT: Step(to=_A),
        Event.TOKENS: _ROTATED,
        Event.REFUSED: Step(to=_L),
        Event.TRY_LATER: Step(to=_A),
        Event.UNKNOWN: Step(to=_D),
        Event.OWNER_GONE: Step(to=_D),
        Event.JOURNAL_ANSWER: _ROTATED,
        Event.LOGIN_DONE: _NEW_LOGIN,
    },
    _D: {
        Event.DUE: Step(to=_D),
        Event.JOURNAL_ANSWER: _ROTATED,
        Event.LOGIN_DONE: _NEW_LOGIN,
    },
    _P: {
        Event.DUE: Step(to=_P),
        Event.NOT_SENT: Step(to=_D, replay_used=False),
        Event.TOKENS: _ROTATED,
        Event.REFUSED: Step(to=_L, lost=True),
        Event.TRY_LATER: Step(to=_D, replay_used=False),
        Event.UNKNOWN: Step(to=_D),
        Event.OWNER_GONE: Step(to=_D),
        Event.JOURNAL_ANSWER: _ROTATED,
        Event.LOGIN_DONE: _NEW_LOGIN,
    },
    _L: {
        Event.DUE: Step(to=_L),
        Event.JOURNAL_ANSWER: _ROTATED,
        Event.LOGIN_DONE: _NEW_LOGIN,
    },
}
"""From state and event to step. A missing cell is the "-" of the table: it raises."""

REPLAY = Step(to=_P, replay_used=True)
"""What ``due`` does in doubt when a replay is allowed: the one cell with a condition."""


EXPORT = Step(to=_L)
"""What an operator's export does to an active account: its refresh token lives elsewhere from now on."""


def step(state: State, event: Event, *, replay_allowed: bool = False) -> Step:
    """Return what an event that matches its row does.

    Args:
        state: the row's state.
        event: what happened.
        replay_allowed: the caller has established that the one replay may be used now.

    Raises:
        ImpossibleEventError: the table has no such cell.
    """
    if replay_allowed and state is State.IN_DOUBT and event is Event.DUE:
        return REPLAY
    found = TABLE[state].get(event)
    if found is None:
        message = f"{event} cannot happen to an account that is {state}"
        raise ImpossibleEventError(message)
    return found
