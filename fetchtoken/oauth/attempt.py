"""One attempt: send once, journal the raw answer, and only then let anybody see it."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.net.client import request
from fetchtoken.net.errors import NoAnswer, NotSent
from fetchtoken.oauth.journal import JournalKey, append, create, remove
from fetchtoken.oauth.messages import JSON_HEADERS
from fetchtoken.oauth.outcome import Answer
from fetchtoken.oauth.spawn import boot_clock_s

__all__ = ["LATE_AFTER_S", "Attempt", "hold_until_safe", "journal_answer", "send"]

LATE_AFTER_S = 20.0
"""An attempt that has not sent this long after its start never sends: its lease may be taken over."""

_RETRY_PAUSE_S = 1.0
_RETRY_FOR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to send, and where to write down what comes of it."""

    name: str
    """The journal file's base name, to which sealed records are bound."""
    url: str
    body: bytes = field(repr=False)
    journal_fd: int
    """The locked journal file, with its intent in it."""
    started_s: float
    """When the attempt began, on :func:`boot_clock_s`."""
    limit_s: float
    """Hard limit of the whole request."""
    ca_file: str = ""
    key: JournalKey | None = None
    spare: str = ""
    """Where to make a second journal file when the first takes no answer; empty for nowhere."""
    intent: dict[str, object] = field(default_factory=dict)
    """What a second file says that it is about."""


def send(attempt: Attempt, environ: Mapping[str, str]) -> Answer:
    """Send the request once: no retry, no redirect. Never raises, whatever goes wrong.

    ``sending`` is made durable right before the first byte; the last look at the clock comes after
    it, because a suspended machine may have slept in between. What decides is how far the request
    got, not what was raised.
    """
    leaving = False

    def before_first_byte() -> None:
        nonlocal leaving
        _check_clock(attempt)
        try:
            append(attempt.journal_fd, "sending", {}, attempt=attempt.name, key=attempt.key)
        except OSError as error:
            raise NotSent(f"the journal cannot be written: {error.strerror}") from None
        _check_clock(attempt)
        leaving = True

    try:
        response = request(
            "POST",
            attempt.url,
            headers=JSON_HEADERS,
            body=attempt.body,
            deadline_s=time.monotonic() + attempt.limit_s,
            ca_file=attempt.ca_file or None,
            environ=environ,
            before_first_byte=before_first_byte,
        )
    except (NotSent, ConfigError, Unsafe) as error:
        return Answer(sent=False, reason=error.message)
    except NoAnswer as error:
        return Answer(sent=True, reason=error.message)
    except Exception as error:  # noqa: BLE001 - a bug must not leave the attempt without an outcome
        return Answer(sent=leaving, reason=f"unexpected {type(error).__name__}")
    return Answer(
        sent=True,
        status=response.status,
        headers=response.headers,
        body=response.body,
        complete=response.complete,
    )


def _check_clock(attempt: Attempt) -> None:
    """Raise where the attempt began too long ago to be sent any more."""
    if boot_clock_s() - attempt.started_s >= LATE_AFTER_S:
        raise NotSent(f"the exchange started more than {LATE_AFTER_S:.0f} s late")


def journal_answer(attempt: Attempt, answer: Answer) -> bool:
    """Write the raw answer down, durably: in the attempt's file, else in a new one elsewhere.

    Returns:
        Whether that worked.
    """
    try:
        append(attempt.journal_fd, "answer", answer.to_json(), attempt=attempt.name, key=attempt.key)
    except Exception:  # noqa: BLE001 - an answer outlives even a bug of the journal's
        return bool(attempt.spare) and _journal_elsewhere(attempt, answer)
    return True


def _journal_elsewhere(attempt: Attempt, answer: Answer) -> bool:
    """Make a whole second journal file, or none."""
    try:
        fd = create(attempt.spare, attempt.intent, attempt.key)
        try:
            for kind, record in (("sending", {}), ("answer", answer.to_json())):
                append(fd, kind, record, attempt=os.path.basename(attempt.spare), key=attempt.key)
        finally:
            os.close(fd)
    except Exception:  # noqa: BLE001 - as above; the caller keeps the answer
        with suppress(OSError):
            remove(attempt.spare)
        return False
    return True


def hold_until_safe(write: Callable[[], bool], acknowledgement_fd: int) -> None:
    """Stay alive with an answer that could not be written, until the parent has it or the disk takes it.

    The disk is tried at once and then every second, for an hour.

    Args:
        write: tries to write once more; returns whether it worked.
        acknowledgement_fd: the parent writes one byte here once the answer is in its store; -1 where
            nobody acknowledges.
    """
    end_s = time.monotonic() + _RETRY_FOR_S
    listening = [acknowledgement_fd] if acknowledgement_fd >= 0 else []
    while not write() and time.monotonic() < end_s:
        ready, _, _ = select.select(listening, [], [], _RETRY_PAUSE_S)
        if ready:
            if _acknowledged(acknowledgement_fd):
                return
            listening = []  # the parent is gone: only the disk can save the answer now


def _acknowledged(fd: int) -> bool:
    try:
        return bool(os.read(fd, 1))
    except OSError:
        return False
