"""When the one replay of a generation may be used. Pure.

Rules
    A replay sends a refresh token again whose first sending has no known outcome. If that first
    sending succeeded, a strict issuer answers by ending the whole login, live access token
    included. So it happens by itself only when nothing is left to lose: the access token has
    expired, the journal that the intent names lies here, and it can be read and holds no answer.
    Never for an account that was restored (its doubt may be older than the login's next
    generation) or disabled. Otherwise a person orders it, or logs in again.
"""

from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.schedule import waits_until
from broker.domain.secondlife import is_spent
from fetchtoken.domain.token import CODEX_WINDOW_S

__all__ = ["by_itself_from", "is_open"]


def is_open(account: Account) -> bool:
    """Tell whether an account is in doubt, with a token that may be sent and its replay unused."""
    return (
        account.state is State.IN_DOUBT
        and not account.replay_used
        and not account.adopting
        and not is_spent(account)
        and bool(account.refresh_token)
    )


def by_itself_from(account: Account, journal_id: str, now_s: float) -> float | None:
    """Return the epoch second from which an account may be replayed without a person.

    That is what its row says; the journal has to be read as well, right before.

    Args:
        account: as the store has it.
        journal_id: names the journal of this home.
        now_s: epoch seconds, by which a back-off is believed.

    Returns:
        ``None`` where it never may; a token without an end never expires.
    """
    if not is_open(account) or account.restored or account.disabled or account.journal_id != journal_id:
        return None
    if account.expires_at is None:
        return None
    # One second on: at exactly the window's edge the token is still served.
    return max(account.expires_at - CODEX_WINDOW_S + 1, waits_until(account.not_before_s, now_s))
