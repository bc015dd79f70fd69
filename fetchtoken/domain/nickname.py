"""A name for an account that nobody has named: made from its e-mail address."""

from __future__ import annotations

from collections.abc import Collection
from unicodedata import normalize

from fetchtoken.domain.names import is_name, is_neighbour

__all__ = ["nickname"]

_NAMELESS = "account"
_LONGEST = 64
_PUNCTUATION = "._@+-"


def nickname(email: str, taken: Collection[str]) -> str:
    """Return the address's local part as an account name; with a number behind it where that is taken.

    Accents are dropped, and what no name may hold becomes ``-``. An address without a usable local
    part gives ``account``. Names whose files belong to other tools are never returned.

    Args:
        email: the address as the login's claims say it, or an empty string.
        taken: the names that are in use.
    """
    base = _base(email.partition("@")[0])
    number = 1
    while True:
        end = f"-{number}" if number > 1 else ""
        name = base[: _LONGEST - len(end)] + end
        if is_name(name) and not is_neighbour(name) and name not in taken:
            return name
        number += 1


def _base(local: str) -> str:
    plain = normalize("NFKD", local[:_LONGEST]).lower().encode("ascii", "ignore").decode()
    kept = "".join(char if char.isalnum() or char in _PUNCTUATION else "-" for char in plain)
    base = kept.strip(_PUNCTUATION)[:_LONGEST]
    return (base.replace(".", "-") if is_neighbour(base) else base) or _NAMELESS
