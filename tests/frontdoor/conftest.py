"""A real daemon with an open front door, and a client ``laptop`` with a key, for each module."""

import pytest

from tests.support.frontdoor import running_front_door
from tests.support.issuer import issuer_in_thread


@pytest.fixture(scope="module")
def shared_issuer():
    with issuer_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def front(tmp_path_factory, shared_issuer):
    """A door with one account behind it, ``work``."""
    with running_front_door(tmp_path_factory.mktemp("front"), shared_issuer.url) as found:
        found.daemon.hold(shared_issuer.mint(email="work@x.example"), "work")
        found.client("laptop", "work")
        yield found
