"""Operations on clients: who may fetch tokens, with which key, for which accounts."""

import os
from typing import Any

from broker.admin.desk import Desk
from broker.admin.views import client_detail, client_view
from broker.admin.wire import Actor
from broker.domain.apikey import ApiKey, new_key
from broker.domain.audit import Action
from broker.domain.client import SCOPES
from broker.domain.records import Client
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name

__all__ = ["ClientOperations"]


class ClientOperations:
    """Add, list, show, grant, ungrant, rotate, revoke.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def client_add(  # noqa: PLR0913 - an operation's parameters, named at the call
        self,
        actor: Actor,
        *,
        name: str,
        accounts: list[str],
        scopes: list[str],
        default: str | None = None,
        expires_s: float | None = None,
    ) -> dict[str, Any]:
        """Make a client; its API key is in the answer and nowhere else.

        Raises:
            ConfigError: no such name or scope, a name that is taken, a default that is not granted.
            NotFound: no such account.
        """
        desk = self._desk
        check_name(name, "client")
        granted = self._ids(accounts)
        key = new_key("cbk", os.urandom)
        client = await desk.store.add_client(
            name,
            key,
            desk.record(Action.CLIENT_ADDED, actor, client=name, detail=",".join(accounts)),
            accounts=granted,
            default_account=self._default(default, granted),
            scopes=_scopes(scopes),
            expires_at=None if expires_s is None else desk.clock() + expires_s,
        )
        return self._with_key(client, key)

    async def client_list(self, actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG002 - all take one
        """Return every client."""
        names, now_s = self._desk.account_names(), self._desk.clock()
        return [client_view(client, names, now_s) for client in self._desk.roster.clients()]

    async def client_show(self, actor: Actor, name: str) -> dict[str, Any]:  # noqa: ARG002 - same
        """Return one client."""
        return client_detail(self._desk.client(name), self._desk.account_names(), self._desk.clock())

    async def client_grant(
        self, actor: Actor, name: str, accounts: list[str], default: str | None = None
    ) -> dict[str, Any]:
        """Let a client use more accounts, and choose its default."""
        desk, client, added = self._desk, self._desk.client(name), self._ids(accounts)
        chosen = self._default(default, client.accounts | added)
        detail = "granted " + ",".join(accounts)
        audit = desk.record(Action.CLIENT_CHANGED, actor, client=name, detail=detail)
        return self._took(await desk.store.change_grants(client.id, audit, add=added, default_account=chosen))

    async def client_ungrant(self, actor: Actor, name: str, accounts: list[str]) -> dict[str, Any]:
        """Take accounts away from a client."""
        desk, client, taken = self._desk, self._desk.client(name), self._ids(accounts)
        detail = "took away " + ",".join(accounts)
        audit = desk.record(Action.CLIENT_CHANGED, actor, client=name, detail=detail)
        return self._took(await desk.store.change_grants(client.id, audit, remove=taken))

    async def client_rotate(self, actor: Actor, name: str) -> dict[str, Any]:
        """Give a client a new key; the old one is void.

        Raises:
            ConfigError: the client is revoked.
        """
        desk, client = self._desk, self._desk.client(name)
        if client.revoked_at is not None:
            raise ConfigError(f"{name} is revoked", hint="make a new client: codex-broker client add")
        key = new_key("cbk", os.urandom)
        audit = desk.record(Action.CLIENT_ROTATED, actor, client=name)
        return self._with_key(await desk.store.rotate_client(client.id, key, audit), key)

    async def client_revoke(self, actor: Actor, name: str) -> dict[str, Any]:
        """Refuse a client's key from now on."""
        desk, client = self._desk, self._desk.client(name)
        audit = desk.record(Action.CLIENT_REVOKED, actor, client=name)
        if client.revoked_at is not None:
            return self._took(client)
        return self._took(await desk.store.revoke_client(client.id, audit))

    def _ids(self, names: list[str]) -> frozenset[int]:
        return frozenset(self._desk.account(name).id for name in names)

    def _default(self, name: str | None, granted: frozenset[int]) -> int | None:
        if name is None:
            return None
        account = self._desk.account(name)
        if account.id not in granted:
            raise ConfigError(f"the default {name} is not among the accounts", hint=f"add --account {name}")
        return account.id

    def _took(self, client: Client) -> dict[str, Any]:
        self._desk.roster.put_client(client)
        return client_view(client, self._desk.account_names(), self._desk.clock())

    def _with_key(self, client: Client, key: ApiKey) -> dict[str, Any]:
        view = self._took(client)
        return {
            "client": view["client"],
            "api_key": key.text.reveal(),
            "accounts": view["accounts"],
            "scopes": view["scopes"],
            "expires_at": view["expires_at"],
        }


def _scopes(names: list[str]) -> frozenset[str]:
    scopes = frozenset(name.strip() for name in names)
    if not scopes or not scopes <= SCOPES:
        wrong = ", ".join(sorted(scopes - SCOPES)) or "nothing"
        raise ConfigError(f"no such scope: {wrong[:80]}", hint=f"one or more of {', '.join(sorted(SCOPES))}")
    return scopes
