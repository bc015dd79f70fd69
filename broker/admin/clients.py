"""Operations on clients: who may fetch tokens, with which key, for which accounts."""

import os
from typing import Any

from broker.admin.desk import Desk
from broker.admin.grants import account_ids, default_id, scopes_of
from broker.admin.views import client_detail, client_view, invite_view
from broker.admin.wire import Actor
from broker.domain.apikey import ApiKey, new_key
from broker.domain.audit import Action
from broker.domain.invite import Invite
from broker.domain.records import Client
from broker.domain.sshkey import parse_public_keys
from broker.store.enrolment import revoke_invite, waiting
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
        ssh_keys: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a client; its API key is in the answer and nowhere else.

        Args:
            actor: who asks.
            name: its name.
            accounts: what it may use.
            scopes: what for.
            default: which of them, where it names none.
            expires_s: its life.
            ssh_keys: ``text`` and ``path`` of its public keys, where it has some.

        Raises:
            ConfigError: no such name or scope, a name or SSH key that is taken, a default that is not
                granted, a public key that is none or weak.
            NotFound: no such account.
        """
        desk = self._desk
        check_name(name, "client")
        granted = account_ids(self._desk, accounts)
        fingerprints = frozenset[str]() if ssh_keys is None else _fingerprints(ssh_keys)
        key = new_key("cbk", os.urandom)
        detail = " ".join([",".join(accounts), *sorted(fingerprints)])
        client = await desk.store.add_client(
            name,
            key,
            desk.record(Action.CLIENT_ADDED, actor, client=name, detail=detail),
            accounts=granted,
            default_account=default_id(self._desk, default, granted),
            scopes=scopes_of(scopes),
            expires_at=None if expires_s is None else desk.clock() + expires_s,
            ssh_keys=fingerprints,
        )
        return self._with_key(client, key)

    async def client_list(self, actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG002 - all take one
        """Return every client, and every code that waits to make one, by name."""
        names, now_s = self._desk.account_names(), self._desk.clock()
        rows = [client_view(client, names, now_s) for client in self._desk.roster.clients()]
        rows += [invite_view(invite, names, now_s) for invite in await waiting(self._desk.store)]
        return sorted(rows, key=lambda row: str(row["client"]))

    async def client_show(self, actor: Actor, name: str) -> dict[str, Any]:  # noqa: ARG002 - same
        """Return one client, or the code that waits to make it."""
        invite = await self._invited(name)
        if invite is not None:
            return invite_view(invite, self._desk.account_names(), self._desk.clock())
        return client_detail(self._desk.client(name), self._desk.account_names(), self._desk.clock())

    async def client_grant(
        self, actor: Actor, name: str, accounts: list[str], default: str | None = None
    ) -> dict[str, Any]:
        """Let a client use more accounts, and choose its default."""
        desk, client, added = self._desk, self._desk.client(name), account_ids(self._desk, accounts)
        chosen = default_id(self._desk, default, client.accounts | added)
        detail = "granted " + ",".join(accounts)
        audit = desk.record(Action.CLIENT_CHANGED, actor, client=name, detail=detail)
        return self._took(await desk.store.change_grants(client.id, audit, add=added, default_account=chosen))

    async def client_ungrant(self, actor: Actor, name: str, accounts: list[str]) -> dict[str, Any]:
        """Take accounts away from a client."""
        desk, client, taken = self._desk, self._desk.client(name), account_ids(self._desk, accounts)
        detail = "took away " + ",".join(accounts)
        audit = desk.record(Action.CLIENT_CHANGED, actor, client=name, detail=detail)
        return self._took(await desk.store.change_grants(client.id, audit, remove=taken))

    async def client_rotate(self, actor: Actor, name: str) -> dict[str, Any]:
        """Give a client a new key; the old one is void.

        Raises:
            ConfigError: the client is revoked.
        """
        desk, client = self._desk, self._desk.client(name)
        _refuse_revoked(client)
        key = new_key("cbk", os.urandom)
        audit = desk.record(Action.CLIENT_ROTATED, actor, client=name)
        return self._with_key(await desk.store.rotate_client(client.id, key, audit), key)

    async def client_ssh_keys(
        self, actor: Actor, name: str, ssh_keys: dict[str, str] | None
    ) -> dict[str, Any]:
        """Put SSH keys in place of those that a client has, or take them away; its API key stays.

        Raises:
            ConfigError: the client is revoked and shall get keys, or a key is none, weak or another's.
        """
        desk, client = self._desk, self._desk.client(name)
        fingerprints = frozenset[str]()
        if ssh_keys is not None:
            _refuse_revoked(client)
            fingerprints = _fingerprints(ssh_keys)
        detail = " ".join(["ssh keys", *(sorted(fingerprints) or ["taken away"])])
        audit = desk.record(Action.CLIENT_ROTATED, actor, client=name, detail=detail)
        return self._took(await desk.store.set_ssh_keys(client.id, fingerprints, audit))

    async def client_revoke(self, actor: Actor, name: str) -> dict[str, Any]:
        """Refuse a client's keys from now on, or the code that waits to make it."""
        desk = self._desk
        if (invite := await self._invited(name)) is not None:
            audit = desk.record(Action.INVITE_ENDED, actor, client=name)
            await desk.marks.reached(await revoke_invite(desk.store, name, audit))
            return invite_view(invite, desk.account_names(), desk.clock()) | {"state": "revoked"}
        client = desk.client(name)
        audit = desk.record(Action.CLIENT_REVOKED, actor, client=name)
        if client.revoked_at is not None:
            return self._took(client)
        return self._took(await desk.store.revoke_client(client.id, audit))

    async def _invited(self, name: str) -> Invite | None:
        """Return the invite of a client that is not there yet."""
        if self._desk.roster.client(name) is not None:
            return None
        return next((invite for invite in await waiting(self._desk.store) if invite.name == name), None)

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


def _refuse_revoked(client: Client) -> None:
    if client.revoked_at is not None:
        raise ConfigError(f"{client.name} is revoked", hint="make a new client: codex-broker client add")


def _fingerprints(given: dict[str, str]) -> frozenset[str]:
    return parse_public_keys(given.get("text", ""), given.get("path", "the request"))
