"""A front door for each test, over the world of the HTTP API's tests."""

import pytest

from broker.access.gate import Gate
from broker.access.tokens import TokenDesk
from broker.sshd.door import FrontDoor
from tests.support.sshkeys import FINGERPRINT
from tests.unit.api.world import WIDE, World


def door_of(world, limits=WIDE):
    """Return a front door to the world's accounts."""
    return FrontDoor(
        roster=world.roster,
        desk=TokenDesk(world.roster, world.coordinator, world.audit, lambda: world.now),
        gate=Gate(limits),
        lines=world.lines,
        clock=lambda: world.now,
        ticks=lambda: world.ticks,
    )


def change_client(world, **changes):
    """Change the client, which keeps its SSH key unless told otherwise."""
    world.client(**({"ssh_keys": frozenset({FINGERPRINT})} | changes))


@pytest.fixture
def world():
    """One account, and one client with its grant and an SSH key."""
    world = World()
    world.account()
    world.client(ssh_keys=frozenset({FINGERPRINT}))
    return world


@pytest.fixture
def ask(world):
    """Ask the door with the client's key."""
    door = door_of(world)

    async def ask(line="token", fingerprint=FINGERPRINT):
        return await door.answer(line, fingerprint, "10.0.0.9")

    return ask
