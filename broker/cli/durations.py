"""Times and lengths of time as people write them."""

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.instants import parse_rfc3339

__all__ = ["parse_duration_s", "parse_since"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 36_525 * 86_400


def parse_duration_s(text: str) -> int:
    """Return the seconds of ``90s``, ``15m``, ``24h``, ``365d`` or ``52w``.

    Raises:
        ConfigError: it is none of these, zero, or more than a hundred years.
    """
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS_S and number.isascii() and number.isdigit() and len(number) <= 12:
        seconds = int(number) * _UNITS_S[unit]
        if 0 < seconds <= _LONGEST_S:
            return seconds
    raise ConfigError(f"{text[:40]!r} is no length of time", hint="write it like 90s, 15m, 24h, 365d or 52w")


def parse_since(text: str) -> dict[str, float]:
    """Return ``ago_s``, seconds before now, for a length of time, or ``since``, epoch seconds, for a time.

    Raises:
        ConfigError: it is neither.
    """
    whole = f"{text}T00:00:00Z" if len(text) == len("2026-11-20") else text
    since = parse_rfc3339(whole)
    if since is not None:
        return {"since": since}
    try:
        return {"ago_s": float(parse_duration_s(text))}
    except ConfigError:
        raise ConfigError(
            f"{text[:40]!r} is no time", hint="write it like 24h, 7d, 2026-11-20 or 2026-11-20T10:00:00Z"
        ) from None
