"""``codex setup`` and ``codex undo`` stopped or failing at each step: nothing is lost, undo ends it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken.codex.toml_text import parsed
from tests.support import file_steps
from tests.support.setting_up import at_desk

ROOT = Path(__file__).parents[3]
MODULE = "tests.support.file_steps"
MINE = '# mine\nmodel = "x" # why\ncli_auth_credentials_store = "keyring"\n\n[tui]\na = 1'

WALKS = {
    "file": ([], ["setup", "--force"]),
    "command": ([], ["setup", "--mode", "command"]),
    "from file to command": (["setup", "--force"], ["setup", "--mode", "command"]),
    "from command to file": (["setup", "--mode", "command"], ["setup", "--force"]),
    "undo of a file": (["setup", "--force"], ["undo"]),
    "undo of a command": (["setup", "--mode", "command"], ["undo"]),
}


@pytest.fixture
def desk(tmp_path):
    with at_desk(tmp_path) as desk:
        desk.configure(MINE)
        yield desk


def as_before(desk):
    """Assert that nothing of a setup is left, and that no login was lost."""
    assert desk.config.read_text() == MINE
    assert list(desk.units.glob("*.*")) == []
    assert [path for path in desk.home.rglob("*.tmp") if ".cache" not in path.parts] == []
    assert desk.record is None
    if desk.auth.exists():
        desk.access_only()


def whole(desk):
    """Assert that Codex can read what there is: no half-written file."""
    parsed(desk.config.read_text(), "config.toml")
    if desk.auth.exists():
        desk.access_only()


@pytest.mark.parametrize("walk", WALKS)
def test_killed_at_each_step(desk, tmp_path, walk):
    """Before each change of the disk ``kill -9``: Codex's files are whole, and undo leads back."""
    first, words = WALKS[walk]
    if first:
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


@pytest.mark.parametrize("walk", WALKS)
def test_an_error_at_each_step(desk, monkeypatch, walk):
    """Each change of the disk refused in turn: an error of ours, whole files, and undo leads back."""
    first, words = WALKS[walk]
    numbers = iter(range(1, 100))
    for number in numbers:
        if first:
            assert desk.run("codex", *first).code == 0
        left = number
        with monkeypatch.context() as patch:
            for name in file_steps.STEPS:
                real = getattr(os, name)

                def failing(*values, real=real, **named):
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise OSError(28, os.strerror(28), str(values[0]))
                    return real(*values, **named)

                patch.setattr(os, name, failing)
            ran = desk.run("codex", *words)
        if left > 0:
            assert ran.code == 0
            break
        assert ran.code in (0, 5, 7, 8), ran
        whole(desk)
        assert desk.run("codex", "undo").code == 0
        as_before(desk)
    assert number > 3
    assert desk.run("codex", "undo").code == 0
    as_before(desk)
