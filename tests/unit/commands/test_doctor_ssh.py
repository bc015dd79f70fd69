"""``doctor`` at the door of a real ``sshd``: known or not, let in or not, and nothing is run there."""

import json

import pytest

from tests.support.command import World
from tests.support.sshd import key_pair, ssh_host


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Return a host that lets one key in."""
    root = tmp_path_factory.mktemp("host")
    with ssh_host(root / "machine") as found:
        found.admit(key_pair(root / "key"))
        found.install(f"touch {root}/ran")
        yield found


@pytest.fixture
def world(host, tmp_path):
    """Return a world whose source is that host, which it knows."""
    made = World(tmp_path)
    known = made.write("known", host.known_line())
    made.environ |= {
        "CODEX_TOKEN_SOURCE": "ssh",
        "CODEX_SSH_HOST": "127.0.0.1",
        "CODEX_SSH_PORT": str(host.port),
        "CODEX_SSH_KEY": str(host.root.parent / "key"),
        "CODEX_SSH_KNOWN_HOSTS": str(known),
    }
    return made


def look(world):
    """Return the exit code and the check of the host."""
    ran = world.run("doctor", "--json")
    return ran.code, next(one for one in json.loads(ran.out)["checks"] if one["check"] == "ssh")


def test_a_host_that_is_known_and_lets_us_in(world, host):
    """Exit 0, and the command there did not run."""
    code, check = look(world)
    assert (code, check["ok"]) == (0, True)
    assert check["detail"].endswith("is known and lets us in")
    assert not (host.root.parent / "ran").exists()


def test_a_host_that_is_not_known(world):
    """Exit 8 with its fingerprint's words, and no file is changed."""
    known = world.write("known", "")
    code, check = look(world)
    assert (code, check["ok"]) == (8, False)
    assert known.read_text() == ""


def test_a_key_that_is_not_let_in(world, tmp_path):
    """Exit 6."""
    world.environ["CODEX_SSH_KEY"] = str(key_pair(tmp_path / "other"))
    code, check = look(world)
    assert (code, check["ok"]) == (6, False)
