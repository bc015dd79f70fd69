"""Lengths of time as people write them."""

from fetchtoken.domain.errors import ConfigError

__all__ = ["parse_duration_s"]

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
