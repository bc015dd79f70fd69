"""What a client may know of itself and of its accounts: JSON values, no tokens."""

from broker.domain.records import Account, Client
from broker.domain.roster import Roster
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["Directory"]


class Directory:
    """Looks clients and accounts up in the roster.

    Args:
        roster: accounts and clients.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def whoami(self, client: Client) -> dict[str, object]:
        """Return the client and its grants."""
        default = (
            self._roster.account_by_id(client.default_account) if client.default_account is not None else None
        )
        return {
            "client": client.name,
            "key_id": client.key_id,
            "scopes": sorted(client.scopes),
            "accounts": [account.name for account in self._granted(client)],
            "default_account": default.name if default is not None else None,
            "expires_at": _time(client.expires_at),
        }

    def accounts(self, client: Client) -> list[dict[str, object]]:
        """Return states and expiries of the accounts granted; of all with scope admin."""
        seen = self._roster.accounts() if "admin" in client.scopes else self._granted(client)
        return [_state(account) for account in seen]

    def _granted(self, client: Client) -> list[Account]:
        found = (self._roster.account_by_id(account) for account in client.accounts)
        return sorted((account for account in found if account is not None), key=lambda one: one.name)


def _state(account: Account) -> dict[str, object]:
    return {
        "account": account.name,
        "account_id": account.account_id,
        "plan_type": account.plan_type,
        "state": account.state.value,
        "disabled": account.disabled,
        "expires_at": _time(account.expires_at),
        "refresh_after": _time(account.refresh_after) if account.refresh_token else None,
        "source": account.source,
    }


def _time(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else to_rfc3339(epoch_s)
