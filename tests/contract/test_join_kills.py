"""Whatever is killed while a machine joins: the same command goes on, and there is one client."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.daemon import running_daemon
from tests.support.programs import Machine

DYING_BROKER = """
import os, sys
from broker.cli import main
from broker.ops import enrolment
real = enrolment.redeem

async def dying(*values):
    if {before}:
        os.kill(os.getpid(), 9)
    await real(*values)
    os.kill(os.getpid(), 9)

enrolment.redeem = dying
sys.argv = sys.argv[1:]
sys.exit(main())
"""
"""A broker that dies at a code: before or after its commit."""

DYING_COMMAND = """
import os, sys
from fetchtoken.commands import join
from fetchtoken.settings import joined

def die(*_values, **_named):
    os.kill(os.getpid(), 9)

def dying(function):
    def called(*values, **named):
        function(*values, **named)
        die()
    return called

owner, name, when = {point!r}
place = dict(Keep=joined.Keep, join=join)[owner]
setattr(place, name, die if when == "before" else dying(getattr(place, name)))
from fetchtoken.entry import main
sys.exit(main())
"""

POINTS = [
    ("Keep", "nonce", "before"),
    ("Keep", "nonce", "after"),
    ("join", "http_request", "after"),
    ("Keep", "store_key", "before"),
    ("Keep", "store_key", "after"),
    ("join", "set_value", "before"),
    ("join", "set_value", "after"),
    ("Keep", "forget", "before"),
    ("Keep", "forget", "after"),
]
"""Every step of the command that leaves something durable, here or at the broker."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("broker"), shared_issuer.url) as found:
        found.hold(shared_issuer.mint(), "work")
        yield found


def invited(daemon, name):
    wishes = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}
    return daemon.call("invite_add", name=name, **wishes)


def clients(daemon):
    return [one["client"] for one in daemon.call("client_list") if one["state"] == "live"]


@pytest.mark.parametrize("point", POINTS, ids=" ".join)
def test_a_command_that_is_killed_goes_on_when_repeated(daemon, tmp_path, point):
    """Nine points, before and after each durable step; the code is used up once, and a token comes."""
    machine = Machine(tmp_path)
    name = "-".join(point).lower().replace("_", "-")
    made = invited(daemon, name)
    code = DYING_COMMAND.format(point=point)
    words = [sys.executable, "-c", code, "join", made["url"], "--code", made["code"]]
    killed = subprocess.run(
        words, env=machine.environ, cwd=machine.home, capture_output=True, text=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed
    if point != ("Keep", "forget", "after"):
        ran = machine.fetch("join", made["url"], "--code", made["code"])
        assert ran.code == 0, ran
    assert machine.fetch("--no-cache").code == 0
    assert clients(daemon).count(name) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before the commit", "after the commit"])
def test_a_broker_that_is_killed_tells_the_same_machine_again(tmp_path, shared_issuer, before):
    """The answer is lost; after a restart the same command gets the key of the one client there is."""
    (tmp_path / "broker").mkdir()
    with running_daemon(tmp_path / "broker", shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        made = invited(daemon, "laptop")
        daemon.kill()
        daemon.under = (sys.executable, "-c", DYING_BROKER.format(before=before))
        daemon.start()
        machine = Machine(tmp_path)
        first = machine.fetch("join", made["url"], "--code", made["code"])
        assert (first.code, daemon.process.wait(60)) == (5, -9), first
        daemon.under = ()
        daemon.start()
        assert clients(daemon) == ([] if before else ["laptop"])
        second = machine.fetch("join", made["url"], "--code", made["code"])
        assert second.code == 0, second
        assert clients(daemon) == ["laptop"]
        assert machine.fetch("--no-cache").code == 0
        actions = [one["action"] for one in json.loads(daemon.admin("audit", "list", "--json").out)]
        assert actions.count("client.added") == 1
        assert daemon.admin("audit", "verify").code == 0


def test_twenty_machines_with_one_code_make_one_client(tmp_path, shared_issuer):
    """Real commands at once, each with a home of its own: one joins, nineteen are refused."""
    (tmp_path / "broker").mkdir()
    with running_daemon(tmp_path / "broker", shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        _join_at_once(daemon, tmp_path)


def _join_at_once(daemon, tmp_path):
    made = invited(daemon, "crowd")
    homes = []
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        homes.append(Machine(tmp_path / str(number)))
    with ThreadPoolExecutor(20) as pool:
        ran = list(pool.map(lambda one: one.fetch("join", made["url"], "--code", made["code"]), homes))
    assert sorted(one.code for one in ran) == [0, *[6] * 19]
    assert clients(daemon).count("crowd") == 1


def test_a_used_code_does_not_come_back_with_an_older_store(tmp_path, shared_issuer):
    """A database file put back from before it was used is noticed, and the code in it is void."""
    (tmp_path / "broker").mkdir()
    with running_daemon(tmp_path / "broker", shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        made = invited(daemon, "laptop")
        assert daemon.stop() == 0
        older = (daemon.home / "broker.db").read_bytes()
        daemon.start()
        machine = Machine(tmp_path)
        assert machine.fetch("join", made["url"], "--code", made["code"]).code == 0
        assert daemon.stop() == 0
        for path in daemon.home.glob("broker.db*"):
            path.unlink()
        (daemon.home / "broker.db").write_bytes(older)
        daemon.start()
        assert clients(daemon) == []
        assert machine.fetch("join", made["url"], "--code", made["code"]).code == 6
        assert clients(daemon) == []
        (kept,) = (
            path
            for path in (machine.home / ".config/codex-fetchtoken/keys").glob("*")
            if "." not in path.name
        )
        for secret in (made["code"], kept.read_text().strip()):
            assert secret[16:] not in daemon.log + daemon.out
