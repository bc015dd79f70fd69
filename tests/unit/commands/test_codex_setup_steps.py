"""``codex setup`` and ``codex undo`` stopped or failing at each step: nothing is lost, undo ends it."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from fetchtoken.codex.toml_text import parsed
from fetchtoken.commands import codex_machine
from tests.support import file_steps
from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.setting_up import Desk

ROOT = Path(__file__).parents[3]
MODULE = "tests.support.file_steps"
_numbers = count(1)
MINE = '# mine\nmodel = "x" # why\ncli_auth_credentials_store = "keyring"\n\n[tui]\na = 1'

WALKS = {
    "file": ([], ["setup", "--force"]),
    "command": ([], ["setup", "--mode", "command"]),
    "from file to command": (["setup", "--force"], ["setup", "--mode", "command"]),
    "from command to file": (["setup", "--mode", "command"], ["setup", "--force"]),
    "undo of a file": (["setup", "--force"], ["undo"]),
    "undo of a command": (["setup", "--mode", "command"], ["undo"]),
}

ENDPOINT = ["setup", "--force", "--mode", "endpoint"]
WALKS |= {
    "endpoint": ([], ENDPOINT),
    "endpoint anew": (ENDPOINT, ENDPOINT),
    "endpoint by another name": (ENDPOINT, [*ENDPOINT, "--name", "another"]),
    "from endpoint to file": (ENDPOINT, ["setup", "--force"]),
    "from endpoint to command": (ENDPOINT, ["setup", "--mode", "command"]),
    "from file to endpoint": (["setup", "--force"], ENDPOINT),
    "undo of an endpoint": (ENDPOINT, ["undo"]),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with issuer_in_thread() as issuer, running_daemon(tmp_path_factory.mktemp("steps"), issuer.url) as daemon:
        daemon.hold(issuer.mint(email="work@x.example"), "work")
        yield daemon


@pytest.fixture
def desk(tmp_path, daemon):
    desk = Desk(tmp_path)
    desk.daemon, desk.client = daemon, f"client-{next(_numbers)}"
    desk.ask(daemon.url, daemon.add_client(desk.client, "work"))
    desk.configure(MINE)
    return desk


def as_before(desk):
    """Assert that nothing of a setup is left, and that no login was lost."""
    assert desk.config.read_text() == MINE
    assert list(desk.units.glob("*.*")) == []
    assert [path for path in desk.home.rglob("*.tmp") if ".cache" not in path.parts] == []
    assert desk.record is None
    if desk.auth.exists():
        desk.access_only()
    machines = desk.daemon.call("client_show", name=desk.client)["machines"]
    assert {one["state"] for one in machines} <= {"revoked"}


def whole(desk):
    """Assert that Codex can read what there is, and has a token: no half-written file."""
    parsed(desk.config.read_text(), "config.toml")
    if desk.auth.exists():
        assert json.loads(desk.auth.read_text())["tokens"]["access_token"].startswith("eyJ")


@pytest.mark.parametrize("walk", ["from file to command", "from command to file", "undo of a file"])
def test_killed_at_each_step(desk, tmp_path, walk):
    """Before each change of the disk ``kill -9``: Codex's files are whole, and undo leads back."""
    first, words = WALKS[walk]
    assert desk.run("codex", *first).code == 0
    template = tmp_path / "template"
    desk.home.rename(template)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--at", str(desk.home), str(template), str(out), "codex", *words],
        cwd=ROOT,
        env={**desk.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3
    for number, home in enumerate(sorted(out.iterdir())):
        home.rename(desk.home)
        whole(desk)
        if number % 2:
            assert desk.run("codex", *words).code == 0
            whole(desk)
        ran = desk.run("codex", "undo")
        assert ran.code == 0, (home, ran)
        as_before(desk)
        shutil.rmtree(desk.home)


class Killed(BaseException):
    """What no ``except Exception`` hears of."""


class Fate:
    """Lets changes of the disk happen, but for one: that is refused, or the process is dead from there on.

    Attributes:
        left: how many happen, with the one that does not.
    """

    def __init__(self, number, *, dies):
        self.left = number
        self.dies = dies

    def rule(self, patch):
        """Have every change of the disk come by here, and once dead nothing else that is seen outside."""
        for name in file_steps.STEPS:
            patch.setattr(os, name, self._step(getattr(os, name)))
        for owner, name in (
            (codex_machine, "ask_machine"),
            (codex_machine, "end_machine"),
            (subprocess, "run"),
        ):
            patch.setattr(owner, name, self._deed(getattr(owner, name)))

    def _step(self, real):
        def step(*values, **named):
            self.left -= 1
            if self.left == 0 and not self.dies:
                raise OSError(28, os.strerror(28), str(values[0]))
            return self._deed(real)(*values, **named)

        return step

    def _deed(self, real):
        def deed(*values, **named):
            if self.dies and self.left <= 0:
                raise Killed
            return real(*values, **named)

        return deed


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("dies", [False, True], ids=["error", "death"])
def test_each_step(desk, monkeypatch, walk, dies):
    """A change of the disk refused, or the end right before it: whole files, and undo leads back."""
    first, words = WALKS[walk]
    for number in count(1):
        if first:
            assert desk.run("codex", *first).code == 0
        fate = Fate(number, dies=dies)
        with monkeypatch.context() as patch, suppress(Killed):
            fate.rule(patch)
            ran = desk.run("codex", *words)
            assert ran.code in (0, 5, 7, 8), ran
        whole(desk)
        if number % 4 == 3:
            assert desk.run("codex", *words).code == 0
        assert desk.run("codex", "undo").code == 0
        as_before(desk)
        if fate.left > 0:
            break
        for left in desk.codex.glob("auth.json"):
            left.unlink()
    assert number > 3
