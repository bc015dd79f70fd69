"""A running API for each test."""

import pytest

from tests.unit.api.world import World, running


@pytest.fixture
async def world():
    """One account, one client with its grant, and the API of both."""
    world = World()
    world.account()
    world.client()
    async with running(world):
        yield world
