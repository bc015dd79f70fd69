"""A neutralising import that dies at any point: one place can use the login; run again it ends well."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import World
from tests.support.tokens import jwt
from tests.support.tool_files import put, tool_document

ROOT = Path(__file__).parents[3]
CODE = 137
STEPS = ("put by", "rewrite", "replace source", "rename")
POINTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")]
_DYING = """
import os, sys
from fetchtoken.commands import importing
from fetchtoken.entry import main

when, _, name = sys.argv.pop(1).partition(" ")
real = os.replace

def dying(function, counts=lambda *values: True):
    def turn(*values, **named):
        if when == "before" and counts(*values):
            os._exit(137)
        result = function(*values, **named)
        if counts(*values):
            os._exit(137)
        return result
    return turn

if name == "put by":
    importing._Work._write = dying(importing._Work._write)
elif name == "rewrite":
    importing._rewrite = dying(importing._rewrite)
else:
    end = "ada.json" if name == "rename" else "auth.json"
    os.replace = dying(real, lambda old, new: str(new).endswith(end))
sys.exit(main())
"""


def a_source(world: World, **claims) -> Path:
    access = jwt(**{"email": "ada@example.com", **claims})
    return put(world.home / "tool" / "auth.json", tool_document("codex", access, "rt_1"))


def die(world: World, point: str, source: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, point, "import", str(source), "--neutralise"],
        env={**world.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == CODE, done.stderr


@pytest.mark.parametrize("form", ["codex", "opencode"])
@pytest.mark.parametrize("point", POINTS)
def test_a_neutralising_import_that_dies(tmp_path: Path, point: str, form: str):
    """The refresh token is in the source or put by, never usable twice, and lands in the account."""
    world = World(tmp_path)
    access = jwt(email="ada@example.com")
    source = put(world.home / "tool" / "auth.json", tool_document(form, access, "rt_1"))
    account = world.home / ".codex" / "accounts" / "ada.json"

    die(world, point, source)

    in_source, in_account = "rt_1" in source.read_text(), account.exists() and "rt_1" in account.read_text()
    waiting = list(account.parent.glob("*.import")) if account.parent.exists() else []
    assert in_source or in_account or any("rt_1" in path.read_text() for path in waiting), "it is nowhere"
    assert not (in_source and in_account), "two programs could use it"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in waiting)

    again = world.run("import", str(source), "--neutralise")
    assert (again.code, again.out) in ((0, "imported ada\n"), (0, "unchanged ada\n")), again
    assert json.loads(account.read_text())["tokens"]["refresh_token"] == "rt_1"
    assert "rt_1" not in source.read_text()
    assert access in source.read_text()
    assert list(account.parent.glob("*.import")) == []


def test_a_source_that_moved_on_meanwhile_is_taken_as_it_is_now(tmp_path: Path):
    """Its owner refreshed after the crash: what was put by is spent, and forgotten."""
    world = World(tmp_path)
    source = a_source(world, age_s=60)
    die(world, "before rewrite", source)
    put(source, tool_document("codex", jwt(email="ada@example.com"), "rt_2"))
    for words in (["--neutralise"], []):
        assert world.run("import", str(source), *words).code == 0
    accounts = world.home / ".codex" / "accounts"
    assert json.loads((accounts / "ada.json").read_text())["tokens"]["refresh_token"] == "rt_2"
    assert list(accounts.glob("*.import")) == []


def test_a_plain_import_after_the_crash_forgets_what_was_put_by(tmp_path: Path):
    """Without --neutralise the account gets the login, and no third copy stays."""
    world = World(tmp_path)
    source = a_source(world)
    die(world, "before rewrite", source)
    ran = world.run("import", str(source))
    assert (ran.code, ran.out) == (0, "imported ada\n"), ran
    accounts = world.home / ".codex" / "accounts"
    assert json.loads((accounts / "ada.json").read_text())["tokens"]["refresh_token"] == "rt_1"
    assert list(accounts.glob("*.import")) == []


def test_the_word_neutralise_is_not_needed_to_finish(tmp_path: Path):
    """The source has lost the login already, so the next import of it finishes what was begun."""
    world = World(tmp_path)
    source = a_source(world)
    die(world, "after rewrite", source)
    ran = world.run("import", str(source))
    assert (ran.code, ran.out) == (0, "imported ada\n"), ran
    account = world.home / ".codex" / "accounts" / "ada.json"
    assert json.loads(account.read_text())["tokens"]["refresh_token"] == "rt_1"
