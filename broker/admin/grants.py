"""What a client is to be granted, by the names that a person gives."""

from broker.admin.desk import Desk
from broker.domain.client import SCOPES
from fetchtoken.domain.errors import ConfigError

__all__ = ["account_ids", "default_id", "scopes_of"]


def account_ids(desk: Desk, names: list[str]) -> frozenset[int]:
    """Return the row ids of accounts; raises NotFound."""
    return frozenset(desk.account(name).id for name in names)


def default_id(desk: Desk, name: str | None, granted: frozenset[int]) -> int | None:
    """Return the row id of a default account, if one is named.

    Raises:
        NotFound: there is no such account.
        ConfigError: it is not granted.
    """
    if name is None:
        return None
    account = desk.account(name)
    if account.id not in granted:
        raise ConfigError(f"the default {name} is not among the accounts", hint=f"add --account {name}")
    return account.id


def scopes_of(names: list[str]) -> frozenset[str]:
    """Return scopes; raises ConfigError where one is unknown, or there is none."""
    scopes = frozenset(name.strip() for name in names)
    if not scopes or not scopes <= SCOPES:
        wrong = ", ".join(sorted(scopes - SCOPES)) or "nothing"
        raise ConfigError(f"no such scope: {wrong[:80]}", hint=f"one or more of {', '.join(sorted(SCOPES))}")
    return scopes
