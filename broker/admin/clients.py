"""Operations on clients: who may fetch tokens, with which key, for which accounts."""

import os
from typing import Any

from broker.admin.desk import Desk
from broker.admin.grants import account_ids, default_id, scopes_of
from broker.admin.machines import check_machine, end_machines, new_machine
from broker.admin.views import client_detail, client_view, invite_view, machine_view
from broker.admin.wire import Actor
from broker.domain.apikey import ApiKey, new_key
from broker.domain.audit import Action
from broker.domain.invite import Invite
from broker.domain.machine import refusal_of
from broker.domain.records import Client, Machine
from broker.domain.sshkey import parse_public_keys
from broker.store.enrolment import revoke_invite, waiting
from broker.store.machines import last_uses
from fetchtoken.domain.errors import ConfigError, NotFound
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
        machine: bool = False,
    ) -> dict[str, Any]:
        """Make a client; its API key is in the answer and nowhere else, as is its machine credential.

        Args:
            actor: who asks.
            name: its name.
            accounts: what it may use.
            scopes: what for.
            default: which of them, where it names none.
            expires_s: its life.
            ssh_keys: ``text`` and ``path`` of its public keys, where it has some.
            machine: with a machine credential.

        Raises:
            ConfigError: no such name or scope, a name or SSH key that is taken, a default that is not
                granted, a public key that is none or weak, or a machine credential for nobody knows
                which account.
            NotFound: no such account.
        """
        desk = self._desk
        check_name(name, "client")
        granted = account_ids(self._desk, accounts)
        fingerprints = frozenset[str]() if ssh_keys is None else _fingerprints(ssh_keys)
        chosen, wanted = default_id(self._desk, default, granted), scopes_of(scopes)
        if machine:
            check_machine(granted, chosen, wanted)
        key = new_key("cbk", os.urandom)
        detail = " ".join([",".join(accounts), *sorted(fingerprints)])
        client = await desk.store.add_client(
            name,
            key,
            desk.record(Action.CLIENT_ADDED, actor, client=name, detail=detail),
            accounts=granted,
            default_account=chosen,
            scopes=wanted,
            expires_at=None if expires_s is None else desk.clock() + expires_s,
            ssh_keys=fingerprints,
        )
        made = self._with_key(client, key)
        return made | (await new_machine(desk, actor, client) if machine else {})

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
        desk, client = self._desk, self._desk.client(name)
        names, now_s = desk.account_names(), desk.clock()
        uses = await last_uses(desk.store, client.id)
        held = [machine_view(one, client, names, uses, now_s) for one in desk.roster.machines_of(client.id)]
        return client_detail(client, names, now_s) | {"machines": held}

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

    async def client_rotate(self, actor: Actor, name: str, *, machine: bool = False) -> dict[str, Any]:
        """Give a client a new key, or a new machine credential; the old one, or ones, are void.

        With a key end the machine credentials that it was exchanged for, and what else of this client's
        counts is named; with a machine credential end all that the client has. The answer names them.

        Raises:
            ConfigError: the client is revoked, or a machine credential is for nobody knows which account.
        """
        desk, client = self._desk, self._desk.client(name)
        _refuse_revoked(client)
        if machine:
            check_machine(client.accounts, client.default_account, client.scopes)
            live = self._live_machines(client)
            await end_machines(desk, actor, client, desk.roster.machines_of(client.id))
            return {"client": name} | await new_machine(desk, actor, client) | {"machines_ended": live}
        key = new_key("cbk", os.urandom)
        audit = desk.record(Action.CLIENT_ROTATED, actor, client=name)
        rotated = await desk.store.rotate_client(client.id, key, audit)
        ended = await self._ended_with_key(rotated)
        left = {"machines_left": self._live_machines(rotated), "ssh_keys_left": sorted(rotated.ssh_keys)}
        return self._with_key(rotated, key) | {"machines_ended": ended, **left}

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

    async def client_revoke(self, actor: Actor, name: str, *, machine: int | None = None) -> dict[str, Any]:
        """Refuse all keys and credentials of a client from now on, or the code that waits to make it.

        Args:
            actor: who asks.
            name: of the client.
            machine: only this credential.

        Raises:
            NotFound: there is no such client or credential.
        """
        desk = self._desk
        if machine is not None:
            client = desk.client(name)
            found = [one for one in desk.roster.machines_of(client.id) if one.id == machine]
            if not found:
                raise NotFound(
                    f"{name} has no machine credential {machine}", hint=f"codex-broker client show {name}"
                )
            await end_machines(desk, actor, client, found)
            return self._took(client)
        if (invite := await self._invited(name)) is not None:
            audit = desk.record(Action.INVITE_ENDED, actor, client=name)
            await desk.marks.reached(await revoke_invite(desk.store, name, audit))
            return invite_view(invite, desk.account_names(), desk.clock()) | {"state": "revoked"}
        client = desk.client(name)
        audit = desk.record(Action.CLIENT_REVOKED, actor, client=name)
        if client.revoked_at is not None:
            return self._took(client)
        return self._took(await desk.store.revoke_client(client.id, audit))

    async def _ended_with_key(self, rotated: Client) -> list[dict[str, Any]]:
        """Return the machine credentials that ended in the change that gave a client its key."""
        changes = await self._desk.store.changes(rotated.revision - 1)
        ended = [
            machine
            for machine in changes.machines
            if (machine.client, machine.revision) == (rotated.id, rotated.revision)
        ]
        for machine in ended:
            self._desk.roster.put_machine(machine)
        return list(map(_named, ended))

    def _live_machines(self, client: Client) -> list[dict[str, Any]]:
        roster, now_s = self._desk.roster, self._desk.clock()
        held = [(one, roster.account_by_id(one.account)) for one in roster.machines_of(client.id)]
        return [_named(one) for one, account in held if refusal_of(one, client, account, now_s) is None]

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


def _named(machine: Machine) -> dict[str, Any]:
    return {"machine": machine.id, "name": machine.name}


def _refuse_revoked(client: Client) -> None:
    if client.revoked_at is not None:
        raise ConfigError(f"{client.name} is revoked", hint="make a new client: codex-broker client add")


def _fingerprints(given: dict[str, str]) -> frozenset[str]:
    return parse_public_keys(given.get("text", ""), given.get("path", "the request"))
