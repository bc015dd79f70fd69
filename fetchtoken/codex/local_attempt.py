"""The attempt file beside an auth file: what an earlier exchange of its refresh token came to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from fetchtoken.domain.secret import Secret
from fetchtoken.files.atomic import fsync_dir
from fetchtoken.oauth.journal import Entry, Phase, create, inspect, remove
from fetchtoken.oauth.outcome import Kind, Outcome, classify

__all__ = ["Past", "Verdict", "attempt_path", "begin", "look_back", "put_aside", "remove"]


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
    """Whether it was itself a second sending."""


def attempt_path(path: str) -> str:
    """Return the attempt file's path: beside the real file, where the rename will happen."""
    return os.path.realpath(path) + ".attempt"


def spends(refresh_token: Secret) -> str:
    """Return the hash under which an intent names the token it spends."""
    return sha256(refresh_token.reveal().encode()).hexdigest()


def look_back(path: str, refresh_token: Secret, *, now_s: float) -> Past:
    """Judge the attempt file of an auth file.

    Args:
        path: the attempt file.
        refresh_token: what the auth file holds now.
        now_s: epoch seconds.
    """
    entry = inspect(path)
    if entry.phase is Phase.MISSING or entry.phase is Phase.UNSENT:
        return Past(Verdict.NONE)
    if entry.phase is Phase.HELD:
        return Past(Verdict.RUNNING)
    replayed = entry.intent.get("replay") is True
    outcome = classify(entry.answer, now_s=now_s) if entry.answer is not None else None
    # A file whose intent was damaged may be about this token: it counts as in doubt, never as foreign.
    if entry.intent and entry.intent.get("spends") != spends(refresh_token):
        return Past(Verdict.FOREIGN, outcome, replayed)
    return Past(_verdict(entry, outcome, path, now_s), outcome, replayed)


def _verdict(entry: Entry, outcome: Outcome | None, path: str, now_s: float) -> Verdict:
    if outcome is None or entry.phase is Phase.UNREADABLE:
        return Verdict.IN_DOUBT
    if outcome.kind is Kind.TOKENS:
        return Verdict.COMMIT
    if outcome.kind is Kind.REFUSED:
        return Verdict.REFUSED
    if outcome.kind is Kind.TRY_LATER and os.stat(path).st_mtime + (outcome.retry_after_s or 0.0) > now_s:
        return Verdict.WAIT
    return Verdict.IN_DOUBT if outcome.kind is Kind.UNKNOWN else Verdict.NONE


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
    kept = path + ".orphan"
    os.replace(path, kept)
    fsync_dir(os.path.dirname(path))
    return kept
