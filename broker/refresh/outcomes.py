"""From a raw answer to an event of the account machine."""

from broker.domain.account import Event
from broker.domain.records import Account, Tokens
from broker.domain.tokens import read_tokens
from fetchtoken.oauth.journal import Entry, Phase
from fetchtoken.oauth.outcome import Answer, Kind, Outcome, classify

__all__ = ["brought_nothing", "event_of", "judge_entry", "tokens_of"]

_EVENTS = {
    Kind.NOT_SENT: Event.NOT_SENT,
    Kind.TOKENS: Event.TOKENS,
    Kind.REFUSED: Event.REFUSED,
    Kind.TRY_LATER: Event.TRY_LATER,
    Kind.UNKNOWN: Event.UNKNOWN,
}


def event_of(answer: Answer, *, now_s: float) -> tuple[Event, Outcome]:
    """Return the event that an answer is, and the outcome behind it."""
    outcome = classify(answer, now_s=now_s)
    return _EVENTS[outcome.kind], outcome


def judge_entry(entry: Entry, *, now_s: float) -> tuple[Event, Outcome] | None:
    """Return what a journal file says became of an attempt; ``None`` while it is being carried out."""
    if entry.phase is Phase.HELD:
        return None
    if entry.phase is Phase.ANSWERED and entry.answer is not None:
        event, outcome = event_of(entry.answer, now_s=now_s)
        return (Event.JOURNAL_ANSWER if event is Event.TOKENS else event), outcome
    if entry.phase is Phase.UNSENT:
        return Event.NOT_SENT, Outcome(Kind.NOT_SENT, "not_sent", "the exchange process ended before it sent")
    detail = {
        Phase.MISSING: "its journal file is gone",
        Phase.SENT: "the exchange process ended without an answer",
        Phase.UNREADABLE: "its journal file cannot be read",
    }[entry.phase]
    return Event.OWNER_GONE, Outcome(Kind.UNKNOWN, str(entry.phase), detail)


def brought_nothing(entry: Entry, outcome: Outcome) -> bool:
    """Tell whether a journal file was read to its end and holds nothing that a replay could ruin.

    A file that is missing, damaged or sealed with another key may have held an answer; a refusal is
    an answer; and so is a refresh token, even where its access token was left out.

    Args:
        entry: the file.
        outcome: what :func:`judge_entry` made of it.
    """
    if entry.phase in (Phase.UNSENT, Phase.SENT):
        return True
    return entry.phase is Phase.ANSWERED and outcome.kind is not Kind.REFUSED and outcome.tokens is None


def tokens_of(
    account: Account, outcome: Outcome, *, now_s: float, jitter: float, part: float
) -> Tokens | None:
    """Return the tokens that an outcome brought, read for their times; ``None`` where it brought none.

    A refresh token that came alone stands beside the access token held: the one that was sent is
    spent then, and this one is the login, due for an exchange of its own.
    """
    brought = outcome.tokens
    if brought is None:
        return None
    return read_tokens(
        brought.access_token or account.access_token,
        brought.refresh_token,
        brought.id_token,
        now_s=now_s,
        jitter=jitter,
        part=part,
        account_id=account.account_id,
        answered=brought.access_token is not None,
    )
