"""The attempt file beside an auth file: what an earlier exchange of its refresh token came to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.files.atomic import fsync_dir
from fetchtoken.oauth.journal import Entry, Phase, create, inspect, remove
from fetchtoken.oauth.outcome import Kind, Outcome, classify

__all__ = ["Past", "Verdict", "attempt_path", "begin", "carry", "look_back", "put_aside", "remove"]


class Verdict(StrEnum):
    """What an attempt file means for the refresh token that the auth file holds now."""

    NONE = "none"
    """Nothing stands in the way."""
    RUNNING = "running"
    COMMIT = "commit"
    """Its tokens were never written into the auth file."""
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"
    """The issuer refused this very token: it is never sent again."""
    WAIT = "wait"
    """The issuer asked for patience, and it is not over."""
    FOREIGN = "foreign"
    """It is about another refresh token than the file holds now."""


@dataclass(frozen=True, slots=True)
class Past:
    """An attempt file, judged."""

    verdict: Verdict
    outcome: Outcome | None = None
    replayed: bool = False
    """Whether it was itself a second sending that may have left."""
    readable: bool = True
    """Whether the file could be read to its end; where not, only a person may order a replay."""
    answered_at: float = 0.0
    """When the answer was written, epoch seconds."""


def attempt_path(path: str) -> str:
    """Return the attempt file's path: beside the real file, where the rename will happen."""
    return os.path.realpath(path) + ".attempt"


def spends(refresh_token: Secret) -> str:
    """Return the hash under which an intent names the token it spends."""
    return sha256(refresh_token.reveal().encode()).hexdigest()


def look_back(path: str, refresh_token: Secret, *, now_s: float) -> Past:
    """Judge the attempt file of an auth file; one that cannot be read is in doubt.

    Args:
        path: the attempt file.
        refresh_token: what the auth file holds now.
        now_s: epoch seconds.
    """
    try:
        entry = inspect(path)
    except OSError:
        return Past(Verdict.IN_DOUBT, readable=False)
    if entry.phase is Phase.MISSING:
        return Past(Verdict.NONE)
    if entry.phase is Phase.HELD:
        return Past(Verdict.RUNNING)
    outcome = classify(entry.answer, now_s=entry.written_at) if entry.answer is not None else None
    unsent = entry.phase is Phase.UNSENT or (
        outcome is not None and outcome.kind in (Kind.NOT_SENT, Kind.TRY_LATER)
    )
    replay = entry.intent.get("replay") is True
    return Past(
        _verdict(entry, outcome, refresh_token, now_s, replay=replay),
        outcome,
        replayed=replay and not unsent,
        readable=entry.phase is not Phase.UNREADABLE,
        answered_at=entry.written_at,
    )


def _verdict(
    entry: Entry, outcome: Outcome | None, refresh_token: Secret, now_s: float, *, replay: bool
) -> Verdict:
    kind = outcome.kind if outcome is not None else Kind.UNKNOWN
    tokens = outcome.tokens if outcome is not None else None
    # A replay that was not heard leaves the doubt about the first sending as it was.
    nothing = Verdict.IN_DOUBT if replay else Verdict.NONE
    if entry.intent.get("spends") != spends(refresh_token):
        if tokens is not None and tokens.refresh_token == refresh_token:
            return Verdict.NONE  # committed; only the end of the attempt was missed
        # A file whose intent was damaged may be about this token: it is in doubt, not foreign.
        return Verdict.FOREIGN if entry.intent or entry.phase is Phase.UNSENT else Verdict.IN_DOUBT
    if tokens is not None:
        return Verdict.COMMIT
    if entry.phase is Phase.UNSENT or kind is Kind.NOT_SENT:
        return nothing
    if kind is Kind.TRY_LATER and outcome is not None:
        # Either way round, so that a clock that was set back does not prolong the wait.
        over = abs(now_s - entry.written_at) >= (outcome.retry_after_s or 0.0)
        return nothing if over else Verdict.WAIT
    return Verdict.REFUSED if kind is Kind.REFUSED else Verdict.IN_DOUBT


def begin(path: str, refresh_token: Secret, *, replay: bool) -> int:
    """Make the attempt file, durable and locked; return its descriptor.

    It takes the place of an older one in a single step, so that no crash forgets a doubt.

    Raises:
        OSError: it cannot be made; the older one stays.
    """
    _sweep(path)
    new = f"{path}.{os.urandom(6).hex()}.tmp"
    fd = create(new, {"spends": spends(refresh_token), "replay": replay})
    try:
        os.replace(new, path)
        fsync_dir(os.path.dirname(path))
    except BaseException:
        os.close(fd)
        remove(new)
        raise
    return fd


def _sweep(path: str) -> None:
    """Remove what a crash left between making an attempt file and giving it its name."""
    directory, name = os.path.split(path)
    for other in os.listdir(directory):
        if other.startswith(name + ".") and other.endswith(".tmp"):
            remove(os.path.join(directory, other))


def put_aside(path: str) -> str:
    """Keep an attempt file that holds tokens which no auth file wants; return where it lies now."""
    kept = f"{path}.{os.urandom(4).hex()}.orphan"
    os.replace(path, kept)
    fsync_dir(os.path.dirname(path))
    return kept


def carry(path: str, new_path: str, refresh_token: Secret, *, now_s: float) -> None:
    """Give an attempt file a second name, beside the place to which its auth file is about to move.

    The caller holds the locks of both places, moves the auth file, and then removes the first name:
    no crash parts a refresh token from what is known about it. What an earlier file at the new
    place left there is removed, or put aside where it holds tokens.

    Args:
        path: the attempt file, existing or not.
        new_path: its name from then on.
        refresh_token: what the auth file holds.
        now_s: epoch seconds.

    Raises:
        Unavailable: an exchange is running.
        OSError: it cannot be given a second name; nothing has changed.
    """
    has = os.path.exists(path)
    if has and look_back(path, refresh_token, now_s=now_s).verdict is Verdict.RUNNING:
        raise Unavailable(f"{path} is held by another exchange", hint="try again in a minute")
    if os.path.exists(new_path):
        if has and os.path.samefile(path, new_path):
            return
        old = look_back(new_path, refresh_token, now_s=now_s)
        idle = old.verdict in (Verdict.FOREIGN, Verdict.NONE)
        if not has and not idle:
            return  # it is about this very token
        if idle and (old.outcome is None or old.outcome.tokens is None):
            remove(new_path)
        else:
            put_aside(new_path)
    if has:
        os.link(path, new_path)
        fsync_dir(os.path.dirname(new_path))
