"""The protocol with one mistake each: what the model is worth is whether it sees them."""

# ruff: noqa: ARG002 - a mistake often is not to look at an argument

from broker.domain.account import Event, State, Step
from tests.model.protocol import Protocol
from tests.model.state import EXPIRED, STALE, Attempt, Row

__all__ = ["MUTANTS"]


class IntentDropped(Protocol):
    """The exchange starts without an intent in the store."""

    name = "intent_dropped"
    scene = "two homes"
    breaks = ("I1", "I2")
    writes_intent = False


class ReCheckSkipped(Protocol):
    """Arming does not look whether the row is still as it was looked at."""

    name = "re_check_skipped"
    scene = "two homes"
    breaks = ("I1",)

    def may_arm(self, row: Row, seen: Row) -> bool:
        return True


class ArmedWithoutTheAttempt(Protocol):
    """Arming compares login, generation and state, but not which attempt is in doubt."""

    name = "armed_without_the_attempt"
    scene = "ordered replays"
    breaks = ("I6",)

    def may_arm(self, row: Row, seen: Row) -> bool:
        return (row.login, row.generation, row.state) == (seen.login, seen.generation, seen.state)


class CommitByLeaseOwner(Protocol):
    """Tokens count only from the attempt that the row names, as if the lease were the lock."""

    name = "commit_by_lease_owner"
    scene = "ordered replays"
    breaks = ("I3",)

    def outcome(self, row: Row, event: Event, number: int, attempt: Attempt) -> Step | None:
        owns = row.leased and row.attempt == number
        return super().outcome(row, event, number, attempt) if owns else None

    def keeps_late_tokens(self) -> bool:
        return False


class CommitWithoutLoginId(Protocol):
    """Tokens are written where the generation fits, whatever the login."""

    name = "commit_without_login_id"
    scene = "a new login"
    breaks = ("I3",)

    def belongs(self, row: Row, attempt: Attempt) -> bool:
        return True


class RetryAfterNoAnswer(Protocol):
    """A sending without an answer counts as a failure to try again after."""

    name = "retry_after_no_answer"
    scene = "two homes"
    breaks = ("I6",)

    def outcome(self, row: Row, event: Event, number: int, attempt: Attempt) -> Step | None:
        cell = super().outcome(row, event, number, attempt)
        lost = cell is not None and event in (Event.UNKNOWN, Event.OWNER_GONE)
        return Step(to=State.ACTIVE) if lost else cell


class JournalAfterReading(Protocol):
    """The answer is told to the broker first and written down then."""

    name = "journal_after_reading"
    scene = "two homes"
    breaks = ("I3",)
    journals_first = False


class JournalNotReReadBeforeReplay(Protocol):
    """A replay goes by what was known when the account came into doubt."""

    name = "journal_not_re_read_before_replay"
    scene = "ordered replays"
    breaks = ("I5",)

    def looks_again(self, attempt: Attempt | None) -> tuple[Event | None, bool]:
        return Event.OWNER_GONE, True


class ReplayWhenStale(Protocol):
    """A replay goes out by itself as soon as the token is stale."""

    name = "replay_when_stale"
    scene = "two homes"
    breaks = ("I6",)

    def replays_by_itself(self, row: Row, home: int) -> bool:
        due = row._replace(age=EXPIRED) if row.age == STALE else row
        return super().replays_by_itself(due, home)


class TakenOverBeforeTheLeaseEnds(Protocol):
    """A home puts an attempt in doubt whose owner may be about to send."""

    name = "taken_over_before_the_lease_ends"
    scene = "faults"
    breaks = ("I1",)

    def may_take_over(self, row: Row) -> bool:
        return True


class ReplayNotCounted(Protocol):
    """A replay leaves the one that there is unused."""

    name = "replay_not_counted"
    scene = "ordered replays"
    breaks = ("I6",)

    def due(self, row: Row, *, replay: bool) -> Step:
        cell = super().due(row, replay=replay)
        return Step(to=cell.to, replay_used=False) if replay else cell


class OutageEndsTheLogin(Protocol):
    """An answer that puts off counts as a refusal."""

    name = "outage_ends_the_login"
    scene = "serving"
    breaks = ("I7",)

    def outcome(self, row: Row, event: Event, number: int, attempt: Attempt) -> Step | None:
        cell = super().outcome(row, event, number, attempt)
        return Step(to=State.LOGIN_REQUIRED) if cell is not None and event is Event.TRY_LATER else cell


class GenerationNotCounted(Protocol):
    """New tokens are kept under the old generation."""

    name = "generation_not_counted"
    scene = "serving"
    breaks = ("I4",)

    def generation_after(self, row: Row, cell: Step) -> int:
        return row.generation


class ServedWhenExpired(Protocol):
    """A token is handed out whatever its age."""

    name = "served_when_expired"
    scene = "serving"
    breaks = ("I8",)

    def serves(self, row: Row) -> bool:
        return True


class ServedBeforeTheRecord(Protocol):
    """A token leaves and its audit record is written then."""

    name = "served_before_the_record"
    scene = "serving"
    breaks = ("I8",)
    records_first = False


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        IntentDropped,
        ReCheckSkipped,
        ArmedWithoutTheAttempt,
        CommitByLeaseOwner,
        CommitWithoutLoginId,
        RetryAfterNoAnswer,
        JournalAfterReading,
        JournalNotReReadBeforeReplay,
        ReplayWhenStale,
        TakenOverBeforeTheLeaseEnds,
        ReplayNotCounted,
        OutageEndsTheLogin,
        GenerationNotCounted,
        ServedWhenExpired,
        ServedBeforeTheRecord,
    )
}
"""By name. Each knows the scene in which it shows and the invariants of which it breaks one."""
