"""When a token is due, its phase, how long to wait after a failure. Clock and chance are arguments."""

from enum import StrEnum

from fetchtoken.domain.token import CODEX_WINDOW_S, REFRESH_AT, refresh_due_at

__all__ = ["Phase", "backoff_s", "due_from", "phase", "refresh_after", "rest_s", "servable", "waits_until"]

JITTER = 0.05
"""Part of the life by which the due time is moved either way, so that logins of one day spread."""

UNDATED_LIFE_S = 8 * 86_400
"""Life assumed for an access token without ``exp``: Codex itself refreshes it after 8 days."""

MIN_INTERVAL_S = 60
"""Least time from one token answer to the next exchange, however short a life the issuer gives."""

BACKOFF_FIRST_S = 5.0
BACKOFF_CAP_S = 900.0
RETRY_AFTER_CAP_S = 86_400.0
"""A longer ``Retry-After`` than a day is not believed."""


class Phase(StrEnum):
    """Derived from the clock, never stored."""

    FRESH = "fresh"
    STALE = "stale"
    """Due, and still served."""
    EXPIRED = "expired"
    """Under 360 s of life: never handed out, since Codex would refresh it in a loop."""


def refresh_after(
    issued_at: float,
    expires_at: float | None,
    *,
    jitter: float,
    part: float = REFRESH_AT,
    received_at: float | None = None,
) -> float:
    """Return the epoch second from which a token is stale.

    Args:
        issued_at: ``iat``, or when the token came.
        expires_at: ``exp``, or ``None`` for an opaque token.
        jitter: chance, from -1 to 1; moves the result by up to 5 % of the life.
        part: part of the life to let pass.
        received_at: when an exchange brought it. The result is then at least a minute later, so
            that an issuer whose tokens are born old is not asked in a loop.
    """
    end = issued_at + UNDATED_LIFE_S if expires_at is None else expires_at
    due = refresh_due_at(issued_at, end, part=part + jitter * JITTER)
    due = min(due, end - CODEX_WINDOW_S)
    return due if received_at is None else max(due, received_at + MIN_INTERVAL_S)


def rest_s(stale_from: float, now_s: float) -> float:
    """Return the seconds for which a token that came just now is not exchanged for another; else 0.

    A token that is born old is expired before it is due. Without this rest each caller that asks
    for it would cause an exchange.

    Args:
        stale_from: what :func:`refresh_after` returned; a time further ahead than a minute was
            written by another clock, or is no rest.
        now_s: epoch seconds.
    """
    left_s = stale_from - now_s
    return left_s if 0 < left_s <= MIN_INTERVAL_S else 0.0


def due_from(stale_from: float, expires_at: float | None, now_s: float) -> float:
    """Return the epoch second from which an exchange is due by itself.

    Args:
        stale_from: what :func:`refresh_after` returned. One past the token's end is a rest, or was
            written by a clock that was ahead; then the end decides.
        expires_at: ``exp``, or ``None`` for an opaque token.
        now_s: epoch seconds.
    """
    if rest_s(stale_from, now_s):
        return stale_from
    end = now_s + UNDATED_LIFE_S if expires_at is None else expires_at
    return min(stale_from, end - CODEX_WINDOW_S)


def waits_until(not_before_s: float, now_s: float) -> float:
    """Return the epoch second until which nothing is tried after a failure.

    Args:
        not_before_s: when the back-off ends. One further ahead than the longest was written by a clock
            that was ahead, and holds nothing back.
        now_s: epoch seconds.
    """
    return not_before_s if not_before_s - now_s <= RETRY_AFTER_CAP_S else 0.0


def phase(expires_at: float | None, stale_from: float, now_s: float) -> Phase:
    """Return the phase of a token.

    Args:
        expires_at: ``exp``, or ``None`` for an opaque token, which never counts as expired.
        stale_from: what :func:`refresh_after` returned.
        now_s: epoch seconds.
    """
    if not servable(expires_at, now_s):
        return Phase.EXPIRED
    return Phase.FRESH if now_s < stale_from else Phase.STALE


def servable(expires_at: float | None, now_s: float, min_valid_s: float = 0) -> bool:
    """Tell whether a token is alive for at least max(360, ``min_valid_s``) seconds."""
    return expires_at is None or expires_at - now_s >= max(CODEX_WINDOW_S, min_valid_s)


def backoff_s(failures: int, *, jitter: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        failures: attempts in a row that failed, this one included; from 1.
        jitter: chance, from -1 to 1; moves the result by up to a quarter.
        retry_after_s: what the issuer asked for; never undercut, and believed up to a day.
    """
    doubled = BACKOFF_FIRST_S * 2.0 ** min(max(failures, 1) - 1, 16)
    wait_s = min(doubled, BACKOFF_CAP_S) * (1 + jitter / 4)
    return max(wait_s, min(retry_after_s or 0.0, RETRY_AFTER_CAP_S))
