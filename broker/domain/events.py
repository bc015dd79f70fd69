"""Which row an event belongs to: the match of (login, generation, attempt) before the table is asked."""

from broker.domain.account import Event, ImpossibleEventError, State, Step, step
from broker.domain.records import Account

__all__ = ["judge"]


def judge(row: Account, event: Event, *, login_id: str, generation: int, attempt_id: str) -> Step | None:
    """Return what an event does to a row, or ``None`` when it is late.

    The outcome of the attempt that the row waits for follows the table. Of any other attempt, and
    once the row has stopped waiting, only a token answer counts: for its own login and generation
    it always wins, whoever holds the lease now. An active row waits for nothing: all is late.

    Args:
        row: the account as the store holds it now.
        event: what happened to the attempt.
        login_id: the login that the attempt belongs to.
        generation: the generation that the attempt sent.
        attempt_id: the attempt.

    Raises:
        ImpossibleEventError: the event is no outcome of an attempt.
    """
    if event in (Event.DUE, Event.LOGIN_DONE):
        message = f"{event} is no outcome of an attempt"
        raise ImpossibleEventError(message)
    if (row.login_id, row.generation) != (login_id, generation) or row.state is State.ACTIVE:
        return None
    if row.state in (State.REFRESHING, State.REPLAYING) and row.attempt_id == attempt_id:
        return step(row.state, event)
    if event in (Event.TOKENS, Event.JOURNAL_ANSWER):
        return step(row.state, Event.JOURNAL_ANSWER)
    return None
