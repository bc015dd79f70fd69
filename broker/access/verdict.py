"""Whether an account's token can be handed out now, and if not, why. Pure."""

from math import ceil

from broker.access.refused import Code, Refused
from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.schedule import due_from, rest_s, servable, waits_until

__all__ = ["is_servable", "may_be_awaited", "refusal"]

_IN_TROUBLE = (State.IN_DOUBT, State.REPLAYING)
_SOON_S = 5
_LATER_S = 60
_LATEST_S = 3600


def is_servable(account: Account, now_s: float, min_valid_s: int = 0) -> bool:
    """Tell whether the token is alive for at least max(360, ``min_valid_s``) s; the state plays no part."""
    return bool(account.access_token) and servable(account.expires_at, now_s, min_valid_s)


def may_be_awaited(account: Account, now_s: float) -> bool:
    """Tell whether an exchange may bring an expired token back while the caller waits.

    ``min_valid`` plays no part: a caller's demand never causes an exchange.
    """
    return (
        not is_servable(account, now_s)
        and account.state in (State.ACTIVE, State.REFRESHING)
        and bool(account.refresh_token)
        and not account.adopting
    )


def refusal(account: Account, now_s: float, min_valid_s: int) -> Refused:
    """Return why a token that is not servable is not: the first reason that applies."""
    if account.sealed:
        return Refused("sealed", "the token is sealed under a key that the broker does not have")
    if account.state is State.LOGIN_REQUIRED or not account.refresh_token:
        return Refused("login_required", "nothing but a new login brings a token for this account")
    if account.state in _IN_TROUBLE:
        return _later("unavailable", "the last exchange is in doubt, and the token is expiring", _LATER_S)
    if not is_servable(account, now_s):
        held_s = waits_until(account.not_before_s, now_s) - now_s
        wait_s = ceil(max(held_s, rest_s(account.refresh_after, now_s)))
        return _later(
            "unavailable", "the token has expired and could not be renewed yet", max(wait_s, _SOON_S)
        )
    return _expiring(account, now_s, min_valid_s)


def _expiring(account: Account, now_s: float, min_valid_s: int) -> Refused:
    """Return the refusal of a token that lives, but not for as long as asked."""
    assert account.expires_at is not None  # noqa: S101 - a token without an end is servable
    left_s = int(account.expires_at - now_s)
    detail = f"the token lives for {left_s} s more; ask with a smaller min_valid"
    life_s = account.expires_at - (account.issued_at or 0)
    due_s = due_from(account.refresh_after, account.expires_at, now_s)
    due_in_s = max(ceil(max(due_s, waits_until(account.not_before_s, now_s)) - now_s), _SOON_S)
    if life_s < min_valid_s or due_in_s > _LATEST_S:
        return Refused("token_expiring", detail)
    return _later("token_expiring", detail, due_in_s)


def _later(code: Code, detail: str, wait_s: int) -> Refused:
    return Refused(code, detail, retry_after_s=min(wait_s, _LATEST_S))
