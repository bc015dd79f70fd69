"""Machine credentials: who may still use one, and what a machine may demand whose token was refused. Pure.

The Codex CLI holds a machine credential (``cbr_…``) where it would hold a refresh token. It presents it
at will, in storms, from several processes at once, and never learns to wait; so nothing that it sends
costs an exchange, but for the one case that :func:`recovery` allows.
"""

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Literal

from broker.domain.client import is_live
from broker.domain.records import Account, Client, Machine

__all__ = [
    "EXCHANGED_LIVES_S",
    "MOST_LIVE",
    "Demand",
    "Generation",
    "History",
    "MachineRefusal",
    "exchanged_ends",
    "is_machine_name",
    "may_exchange",
    "recovery",
    "refusal_of",
]

MachineRefusal = Literal["refresh_token_expired", "refresh_token_invalidated"]
"""Error codes that the Codex CLI takes for the end of a login."""

Generation = tuple[str, int]
"""(login id, generation): which refresh token an access token came with."""

CHECK_EVERY_S = 60.0
"""How often the issuer's backend is asked whether an account's token still opens it."""

EXCHANGE_EVERY_S = 600.0
"""Least time from one exchange of an account to one that a machine demands."""

EXCHANGED_LIVES_S = 30 * 86_400.0
"""The longest life of a credential that an API key or a device login was exchanged for: a program keeps it
where Codex's own logout finds it, and posts it to OpenAI."""

MOST_LIVE = 50
"""How many live credentials one client may have."""

_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NAME_LONGEST = 64


class Demand(Enum):
    """What a machine gets that says its token was refused."""

    HELD = auto()
    """The token that is held: newer than what the machine had, or known to be good."""
    CHECK = auto()
    """The backend is asked first whether that token is refused."""


@dataclass(frozen=True, slots=True)
class History:
    """What was done before for an account whose token a machine called refused; empty at first."""

    checked: Generation | None = None
    """Whose token was looked at last."""
    checked_s: float = 0.0
    """When, on a clock that does not go back."""
    demanded: Generation | None = None
    """The generation for which an exchange was begun on demand, whatever came of it."""
    demanded_s: float = -inf
    """When, on that clock."""


def refusal_of(
    machine: Machine | None, client: Client | None, account: Account | None, now_s: float
) -> MachineRefusal | None:
    """Return why a credential no longer counts, or ``None`` where it does.

    Args:
        machine: whose secret was verified; ``None`` for an unknown one.
        client: it belongs to.
        account: it is for.
        now_s: epoch seconds.
    """
    if machine is None or client is None or account is None:
        return "refresh_token_invalidated"
    if machine.revoked_at is not None or client.revoked_at is not None:
        return "refresh_token_invalidated"
    if account.id not in client.accounts or "token" not in client.scopes:
        return "refresh_token_invalidated"
    if not is_live(client, now_s) or (machine.expires_at is not None and now_s >= machine.expires_at):
        return "refresh_token_expired"
    return None


def is_machine_name(text: str) -> bool:
    """Tell whether a machine may be called so: a host's name fits, and nothing that a terminal would obey."""
    return 0 < len(text) <= _NAME_LONGEST and _NAME_LETTERS.issuperset(text)


def exchanged_ends(client: Client, now_s: float) -> float:
    """Return when a credential ends for which a client's key or device login is exchanged now (epoch s)."""
    latest = now_s + EXCHANGED_LIVES_S
    return latest if client.expires_at is None else min(latest, client.expires_at)


def recovery(held: Generation, served: Generation | None, history: History, ticks_s: float) -> Demand:
    """Return what to do for a machine that says its token was refused.

    Args:
        held: the generation of the token that would be answered.
        served: the generation that this machine got last, or ``None`` where nobody remembers.
        history: of the account.
        ticks_s: seconds on a clock that does not go back.
    """
    if served is not None and served != held:
        return Demand.HELD
    if history.checked is not None and ticks_s - history.checked_s < CHECK_EVERY_S:
        return Demand.HELD
    return Demand.CHECK


def may_exchange(
    held: Generation, history: History, ticks_s: float, *, issued_at: float | None, now_s: float
) -> bool:
    """Tell whether a token that the backend refused may be exchanged on a machine's demand.

    Once for each generation, and never within ten minutes of the exchange that brought it: a backend that
    refuses whatever it is shown must not wear a login out. Nor must a clock that is ahead of the issuer's,
    by which each new token is an old one: ten minutes lie between two demands by the other clock, too.

    Args:
        held: the generation that was refused.
        history: of the account.
        ticks_s: seconds on a clock that does not go back.
        issued_at: epoch seconds at which its token was issued, where it says so.
        now_s: epoch seconds.
    """
    if history.demanded == held or ticks_s - history.demanded_s < EXCHANGE_EVERY_S:
        return False
    return issued_at is None or now_s - issued_at >= EXCHANGE_EVERY_S
