"""A running API for each test."""

from functools import partial

import pytest

from tests.support.devices import Template
from tests.unit.api.logins import login_world
from tests.unit.api.world import World, running


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A store with accounts, to be copied."""
    return Template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def served(template, tmp_path):
    """Serves an API in front of a real store; takes what is to be different about it."""
    return partial(login_world, template, tmp_path)


@pytest.fixture
async def broker(served):
    """One that is served as it is."""
    async with served() as world:
        yield world


@pytest.fixture
async def world():
    """One account, one client with its grant, and the API of both."""
    world = World()
    world.account()
    world.client()
    async with running(world):
        yield world
