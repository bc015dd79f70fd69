"""What the commands show of a client's machine credentials: what each is worth now."""

import pytest

from broker.admin.views import machine_view
from broker.domain.machine import refusal_of
from tests.unit.api.world import NOW, World

ENDED = {
    "live": ({}, {}, "live"),
    "revoked": ({"revoked_at": NOW - 1}, {}, "revoked"),
    "expired": ({"expires_at": NOW}, {}, "expired"),
    "with its client, revoked": ({}, {"revoked_at": NOW - 1}, "revoked"),
    "with its client, expired": ({}, {"expires_at": NOW}, "expired"),
    "before its client": ({"revoked_at": NOW - 1}, {"expires_at": NOW}, "revoked"),
    "without a grant": ({}, {"accounts": frozenset()}, "not granted"),
    "without the scope": ({}, {"scopes": frozenset({"quota"})}, "not granted"),
}


@pytest.mark.trap("T14")
@pytest.mark.parametrize(("machine", "client", "state"), ENDED.values(), ids=ENDED)
def test_a_credential_is_shown_as_what_it_is_worth(machine, client, state):
    """Live exactly where its holder would be answered: Codex shows nobody why it was not."""
    world = World()
    account = world.account()
    world.client()
    world.machine(**machine)
    world.client(**client)
    [held] = world.roster.machines_of(world.roster.machine(1).client)
    owner = world.roster.client_by_id(held.client)
    shown = machine_view(held, owner, {account.id: account.name}, {}, NOW)
    assert shown["state"] == state
    assert (refusal_of(held, owner, account, NOW) is None) == (state == "live")
