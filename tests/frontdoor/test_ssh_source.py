"""``CODEX_TOKEN_SOURCE=ssh codex-fetchtoken`` against the front door: one token, and a copy for bad days."""

import json

import pytest

from tests.support.frontdoor import FrontDoor


@pytest.fixture
def settings(front: FrontDoor) -> dict[str, str]:
    """What a teammate sets, and nothing else."""
    return {
        "CODEX_TOKEN_SOURCE": "ssh",
        "CODEX_SSH_HOST": "127.0.0.1",
        "CODEX_SSH_PORT": str(front.port),
        "CODEX_SSH_KEY": str(front.key("laptop").path),
        "CODEX_SSH_KNOWN_HOSTS": str(front.known_hosts),
    }


def test_the_command_gets_its_token_through_the_door_and_keeps_a_copy(front, settings):
    """The first form that the source sends is understood; with the broker gone the copy is served."""
    machine = front.daemon.machine
    ran = machine.fetch("--format", "json", "--account", "work", **settings)
    assert ran.code == 0, ran
    document = json.loads(ran.out)
    assert (document["source"], document["account"]) == ("ssh", "work")
    assert document["access_token"] == front.ssh("laptop", "token work").out.strip()
    denied = machine.fetch("--account", "nobody", **settings)
    assert (denied.code, denied.out) == (6, ""), denied
    assert front.daemon.stop() == 0
    try:
        again = machine.fetch("--account", "work", **settings)
        assert (again.code, again.out.strip()) == (0, document["access_token"]), again
    finally:
        front.daemon.start("serve")
