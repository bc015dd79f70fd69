"""The decisions that the model asks for: the broker's own pure functions, on records made from the model.

What the broker does between two decisions (transactions, files, processes) is in
:mod:`tests.model.moves`. A mutant overrides one method of :class:`Protocol`.
"""

from functools import cache

from broker.domain.account import Event, State, Step, step
from broker.domain.events import judge
from broker.domain.records import Account
from broker.domain.replay import by_itself_from, is_open
from broker.domain.schedule import servable
from broker.refresh.outcomes import brought_nothing, judge_entry
from fetchtoken.oauth.journal import Entry, Phase
from fetchtoken.oauth.outcome import Answer
from tests.model.state import EXPIRED, Attempt, Row
from tests.support.records import NOW, an_account

LIFE_LEFT_S = {0: 800_000, 1: 1_000, 2: 0}
"""Seconds to live of a fresh, a stale and an expired access token."""

_ANSWER_FILES = {
    "tokens": Answer(sent=True, status=200, body=b'{"access_token":"a","refresh_token":"r"}', complete=True),
    "refused": Answer(sent=True, status=401, body=b'{"error":"refresh_token_reused"}', complete=True),
    "later": Answer(sent=True, status=429, complete=True),
    "torn": Answer(sent=True, status=500, complete=True),
    "unsent": Answer(sent=False, reason="no route"),
}
_PHASES = {
    "missing": Phase.MISSING,
    "intent": Phase.UNSENT,
    "sending": Phase.SENT,
    "unreadable": Phase.UNREADABLE,
}


@cache
def account_of(row: Row) -> Account:
    """Return the record of a row as the broker's functions take it."""
    return an_account(
        login_id=f"login-{row.login}",
        generation=row.generation,
        state=row.state,
        attempt_id=None if row.attempt < 0 else str(row.attempt),
        journal_id=None if row.home < 0 else str(row.home),
        replay_used=row.replay_used,
        restored=row.restored,
        expires_at=int(NOW) + LIFE_LEFT_S[row.age],
    )


@cache
def entry_of(attempt: Attempt | None) -> Entry:
    """Return what an attempt's journal file says to who looks at it."""
    if attempt is None or attempt.journal == "missing":
        return Entry(Phase.MISSING)
    if attempt.process != "gone":
        return Entry(Phase.HELD)
    if attempt.journal in _PHASES:
        return Entry(_PHASES[attempt.journal])
    return Entry(Phase.ANSWERED, {}, _ANSWER_FILES[attempt.journal])


class Protocol:
    """The broker as it is. Each method is one decision or one rule of order."""

    name = "unmutated"
    writes_intent = True
    """An attempt is sent only once its intent is in the store."""
    journals_first = True
    """The answer is in the journal before anybody can read it."""
    records_first = True
    """The audit record is written before a token leaves."""

    def may_arm(self, row: Row, seen: Row) -> bool:
        """Tell whether the row is still as it was looked at: the ``WHERE`` of ``store.rotation.arm``."""
        return (row.login, row.generation, row.state, row.attempt) == (
            seen.login,
            seen.generation,
            seen.state,
            seen.attempt,
        )

    def due(self, row: Row, *, replay: bool) -> Step:
        """Return where arming leads."""
        return step(row.state, Event.DUE, replay_allowed=replay)

    def belongs(self, row: Row, attempt: Attempt) -> bool:
        """Tell whether the row holds the login of an attempt."""
        return row.login == attempt.login

    def outcome(self, row: Row, event: Event, number: int, attempt: Attempt) -> Step | None:
        """Return what an outcome does to the row; ``None`` where it is late."""
        login = row.login if self.belongs(row, attempt) else attempt.login
        return judge(
            account_of(row),
            event,
            login_id=f"login-{login}",
            generation=attempt.generation,
            attempt_id=str(number),
        )

    def keeps_late_tokens(self) -> bool:
        """Tell whether a token answer that came too late is kept as an orphan."""
        return True

    def found(self, attempt: Attempt | None) -> Event | None:
        """Return what a journal file says became of an attempt; ``None`` while it is carried out."""
        judged = judge_entry(entry_of(attempt), now_s=NOW)
        return None if judged is None else judged[0]

    def may_take_over(self, row: Row) -> bool:
        """Tell whether a home may put an attempt in doubt whose journal it cannot read."""
        return not row.leased

    def replays_by_itself(self, row: Row, home: int) -> bool:
        """Tell whether row and clock allow a replay that nobody ordered."""
        account = account_of(row)
        from_s = by_itself_from(account, str(home), NOW)
        return from_s is not None and from_s <= NOW and not servable(account.expires_at, NOW)

    def replays_by_order(self, row: Row) -> bool:
        """Tell whether an operator may order a replay."""
        return is_open(account_of(row))

    def looks_again(self, attempt: Attempt | None) -> tuple[Event | None, bool]:
        """Read the journal right before a replay: what it says, and whether it holds nothing."""
        entry = entry_of(attempt)
        judged = judge_entry(entry, now_s=NOW)
        if judged is None:
            return None, False
        return judged[0], brought_nothing(entry, judged[1])

    def serves(self, row: Row) -> bool:
        """Tell whether the token that is held may be handed out."""
        return servable(account_of(row).expires_at, NOW)

    def generation_after(self, row: Row, cell: Step) -> int:
        """Return the row's generation after a step."""
        return row.generation + cell.rotated

    @staticmethod
    def is_expired(row: Row) -> bool:
        """Tell by the model's own clock, not by the broker's functions."""
        return row.age == EXPIRED

    @staticmethod
    def after_login(row: Row) -> State:
        """Return where a new login leads."""
        return step(row.state, Event.LOGIN_DONE).to
