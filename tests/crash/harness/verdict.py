"""Is an account whole, waiting, in doubt, or lost? Pure: the broker's row against the issuer's ledger."""

from dataclasses import dataclass
from enum import StrEnum

from fetchtoken.oauth.journal import Phase
from tests.crash.harness.figures import Loss
from tests.crash.harness.ledger import Ledger

__all__ = ["Doubt", "Held", "Verdict", "judge", "weigh"]


class Verdict(StrEnum):
    """What an account's row says beside the issuer's log."""

    WHOLE = "whole"
    """The broker holds the newest refresh token."""
    WAITS = "waits"
    """An attempt is under way: nothing can be said yet."""
    IN_DOUBT = "in doubt"
    """The broker says itself that it does not know."""
    LOST = "lost"
    """The row is sure of itself, and wrong."""


@dataclass(frozen=True, slots=True)
class Held:
    """An account as the broker's store has it."""

    name: str
    state: str
    generation: int
    attempt_id: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """An account that was found in doubt; its login was then replaced."""

    held: Held
    login_id: str
    """The issuer's name of the login."""
    phase: Phase
    """How far the attempt got, by its journal file."""


def judge(held: Held, newest: int) -> Verdict:
    """Compare a row with the log.

    Args:
        held: the row, read after the log: it can be ahead of it, and never behind.
        newest: the generation that the issuer holds for good.
    """
    if held.state in ("refreshing", "replaying"):
        return Verdict.WAITS
    if held.state == "in_doubt":
        return Verdict.IN_DOUBT
    return Verdict.WHOLE if held.state == "active" and held.generation >= newest else Verdict.LOST


def weigh(doubt: Doubt, ledger: Ledger) -> Loss | None:
    """Return the loss that a doubt turned out to be, or ``None`` where the old token is still good.

    It is explained where the issuer rotated once, and the journal says that the request had begun and
    no answer was written: whoever waited for it was killed.

    Args:
        doubt: what was found.
        ledger: the whole log.
    """
    held = doubt.held
    sendings = ledger.requests(doubt.login_id, held.generation)
    if ledger.newest(doubt.login_id) == held.generation and not sendings:
        return None
    decisions = [entry["decision"] for entry in sendings]
    return Loss(
        account=held.name,
        attempt_id=held.attempt_id,
        journal=str(doubt.phase),
        issuer=sendings,
        explained=decisions == ["rotated"] and doubt.phase is Phase.SENT,
    )
