"""Making and ending machine credentials, for the operations on clients."""

import os
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.domain.apikey import new_key
from broker.domain.audit import Action
from broker.domain.client import choose_account
from broker.domain.records import Client, Machine
from broker.store.machines import add_machine, revoke_machines
from fetchtoken.domain.errors import ConfigError

__all__ = ["check_machine", "end_machines", "new_machine"]


def check_machine(granted: AbstractSet[int], default: int | None, scopes: AbstractSet[str]) -> None:
    """Raise unless a client with these grants can have a machine credential.

    Raises:
        ConfigError: it names no single account, or the client may not read tokens.
    """
    if "token" not in scopes:
        raise ConfigError(
            "a machine credential brings tokens, which needs scope token", hint="add it to --scope"
        )
    if len(granted) != 1 and default not in granted:
        raise ConfigError(
            "a machine credential is for one account, and there is no default",
            hint="name one with --default ACCOUNT",
        )


async def new_machine(desk: Desk, actor: Actor, client: Client) -> dict[str, Any]:
    """Make a client's machine credential for its only or default account, and return it to be shown once."""
    account = choose_account(client)
    assert account is not None  # noqa: S101 - check_machine has seen to it
    key = new_key("cbr", os.urandom)
    machine = await add_machine(
        desk.store,
        key,
        desk.record(Action.MACHINE_ADDED, actor, client=client.name, account=desk.account_names()[account]),
        client=client.id,
        account=account,
        name=client.name,
    )
    desk.roster.put_machine(machine)
    return {"refresh_token": key.text.reveal()}


async def end_machines(desk: Desk, actor: Actor, client: Client, machines: Iterable[Machine]) -> None:
    """Revoke those that are not revoked yet."""
    live = [machine for machine in machines if machine.revoked_at is None]
    if not live:
        return
    detail = ", ".join(f"machine {machine.id} {machine.name}" for machine in live)
    audit = desk.record(Action.MACHINE_REVOKED, actor, client=client.name, detail=detail)
    for revoked in await revoke_machines(desk.store, {machine.id for machine in live}, audit):
        desk.roster.put_machine(revoked)
        await desk.marks.reached(revoked.revision)
