"""One alert for however many accounts come into doubt together."""

import structlog

from broker.domain.account import State
from broker.refresh.workshop import Workshop

__all__ = ["Doubts"]

_log = structlog.get_logger("broker.refresh")

GATHER_S = 5.0
"""An outage at the issuer puts accounts in doubt one after the other; so long they are gathered."""


class Doubts:
    """Watches for accounts in doubt and raises one alert for all that are new.

    Args:
        shop: whose accounts.
    """

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._told: frozenset[tuple[str, int]] = frozenset()
        """Which generation of which login; one that comes into doubt anew is new."""
        self._since_s: float | None = None

    def look(self) -> bool:
        """Look once, and log the alert when its time has come; tell whether one waits for its time."""
        roster = self._shop.roster
        unsettled = [roster.account_by_id(account) for account in roster.unsettled()]
        doubted = {
            (account.login_id, account.generation): account.name
            for account in unsettled
            if account is not None and account.state is State.IN_DOUBT
        }
        self._told &= doubted.keys()
        if not doubted.keys() - self._told:
            self._since_s = None
            return False
        now_s = self._shop.rules.clock()
        self._since_s = now_s if self._since_s is None else min(self._since_s, now_s)
        if now_s - self._since_s < GATHER_S:
            return True
        self._told, self._since_s = frozenset(doubted), None
        names = sorted(doubted.values())
        _log.error("accounts_in_doubt", count=len(names), accounts=names, hint="codex-broker check")
        return False
