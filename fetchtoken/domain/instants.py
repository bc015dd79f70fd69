"""RFC 3339 times to and from epoch seconds, without importing ``datetime``."""

__all__ = ["parse_rfc3339", "to_rfc3339"]

_DAY_S = 86_400
_MILLISECONDS_FROM = 100_000_000_000
"""A bare number above this is milliseconds: as seconds it would lie past the year 5138."""


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 in the proleptic Gregorian calendar."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def _month_length(year: int, month: int) -> int:
    """Return the days of a month."""
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


def to_rfc3339(epoch_s: float, *, micros: bool = False) -> str:
    """Return ``2026-11-30T10:11:12Z`` for seconds since the epoch.

    Args:
        epoch_s: seconds since 1970 UTC.
        micros: write six fractional digits instead of cutting them off.
    """
    from time import gmtime

    t = gmtime(epoch_s)
    fraction = f".{int(epoch_s % 1 * 1_000_000):06}" if micros else ""
    return f"{t[0]:04}-{t[1]:02}-{t[2]:02}T{t[3]:02}:{t[4]:02}:{t[5]:02}{fraction}Z"


def parse_rfc3339(value: object) -> float | None:
    """Return epoch seconds for an RFC 3339 text, or for a number of seconds or milliseconds.

    Args:
        value: a text with ``Z`` or an offset and up to nine fractional digits, or a number.

    Returns:
        Seconds since the epoch, or ``None`` where the value is no time.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        if not 0 <= value < _MILLISECONDS_FROM * 1000:
            return None
        return float(value / 1000 if value >= _MILLISECONDS_FROM else value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if len(text) < len("2026-11-30T10:11:12Z") or text[10] not in "Tt " or not text.isascii():
        return None
    digits = text[0:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19]
    if text[4] + text[7] + text[13] + text[16] != "--::" or not digits.isdigit():
        return None  # ``int`` alone would take signs, blanks and underscores
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    exists = 1 <= month <= 12 and 1 <= day <= _month_length(year, month)
    if not exists or hour > 23 or minute > 59 or second > 60:
        return None
    fraction, rest = _fraction(text[19:])
    offset_s = _offset_s(rest)
    if offset_s is None:
        return None
    days = _days_from_civil(year, month, day)
    return days * _DAY_S + hour * 3600 + minute * 60 + second + fraction - offset_s


def _fraction(text: str) -> tuple[float, str]:
    """Split ``.ddd`` with one to nine digits off; what is no such fraction stays in the rest."""
    digits = 1
    while text.startswith(".") and digits < len(text) and text[digits].isdigit():
        digits += 1
    return (float("0" + text[:digits]), text[digits:]) if 2 <= digits <= 10 else (0.0, text)


def _offset_s(text: str) -> int | None:
    """Return the seconds east of UTC that ``Z`` or ``+hh:mm`` names."""
    if text in ("Z", "z"):
        return 0
    if len(text) != 6 or text[0] not in "+-" or text[3] != ":":
        return None
    if not (text[1:3].isdigit() and text[4:6].isdigit()):
        return None
    if text[1:3] > "23" or text[4:6] > "59":
        return None
    seconds = int(text[1:3]) * 3600 + int(text[4:6]) * 60
    return -seconds if text[0] == "-" else seconds
