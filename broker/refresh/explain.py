"""The errors that say why an account has no new token."""

from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.trouble import Kind, trouble_of
from fetchtoken.domain.errors import LoginRequired, Unavailable

__all__ = ["explain", "in_flight"]

_WAITS = frozenset({Kind.IN_DOUBT, Kind.RESTORED})
"""Troubles that may end without a login."""


def explain(account: Account, now_s: float) -> Unavailable | LoginRequired:
    """Return the error for an account that was not renewed.

    Args:
        account: as it is now.
        now_s: epoch seconds, to say what is still served.
    """
    name = account.name
    trouble = trouble_of(account, now_s)
    if trouble is not None:
        message = f"{name} {trouble.what}; {trouble.safe}"
        if trouble.kind in _WAITS:
            return Unavailable(message, hint=trouble.todo)
        return LoginRequired(message, hint=trouble.todo, code="login_required")
    if account.state in (State.REFRESHING, State.REPLAYING):
        return in_flight(name)
    if not account.refresh_token:
        return LoginRequired(
            f"{name} is access only: it has no refresh token", hint="codex-broker account adopt"
        )
    if account.adopting:
        return Unavailable(
            f"{name} is being adopted", hint="run codex-broker account adopt again to finish it"
        )
    return Unavailable(
        f"{name} could not be refreshed ({account.last_error or 'the issuer was not asked'})",
        hint=f"try again later; codex-broker account show {name} tells how it is",
    )


def in_flight(name: str) -> Unavailable:
    """Return the error for an account whose exchange is under way."""
    return Unavailable(
        f"{name}: an exchange is in flight",
        hint=f"try again in a minute; if it ends in doubt: codex-broker account replay {name}",
    )
