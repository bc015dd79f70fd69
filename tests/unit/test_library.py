"""The command as a library: the same settings and sources, errors as exceptions, nothing printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fetchtoken
from fetchtoken.domain.errors import ConfigError, NotFound, Unavailable
from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.tokens import jwt


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a world with two logins the real environment of this process."""
    found = World(tmp_path)
    write_auth(found.home / ".codex/auth.json", jwt(900))
    write_auth(found.home / ".codex/accounts/work.json", jwt(account_id="acct-2"), account_id="acct-2")
    for key in [key for key in os.environ if key.startswith(("CODEX_", "XDG_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(found.home))
    monkeypatch.chdir(found.project)
    return found


def test_get_token_returns_what_the_command_prints(world: World, capfd: pytest.CaptureFixture[str]):
    """A token with its facts, and not a word on standard error."""
    token = fetchtoken.get_token()
    assert token.access_token.reveal() + "\n" == world.run().out
    assert (token.source, token.account_id, token.plan_type) == ("local", "acct-1", "pro")
    assert capfd.readouterr() == ("", "")


def test_arguments_override_what_is_configured(world: World, monkeypatch: pytest.MonkeyPatch):
    """Source and account stand above the environment, as options do."""
    monkeypatch.setenv("CODEX_TOKEN_SOURCE", "remote")
    monkeypatch.setenv("CODEX_ACCOUNT", "nobody")
    assert fetchtoken.get_token("local", "work").account_id == "acct-2"
    assert world.home


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"account": "nobody"}, NotFound),
        ({"account": "NO"}, ConfigError),
        ({"source": "cloud"}, ConfigError),
        ({"min_valid_s": -1}, ConfigError),
        ({"min_valid_s": 1200}, Unavailable),
    ],
)
def test_errors_are_the_commands_as_exceptions(world: World, arguments: dict[str, object], error: type):
    """Each exit code has its class."""
    with pytest.raises(error):
        fetchtoken.get_token(**arguments)
    assert world.home


async def test_aget_token_is_the_same_for_a_loop(world: World):
    """The blocking work happens in a thread."""
    token = await fetchtoken.aget_token(account="work", min_valid_s=0)
    assert token.account_id == "acct-2"
    with pytest.raises(NotFound):
        await fetchtoken.aget_token(account="nobody")
    assert world.home


def test_a_deleted_working_directory_does_not_matter(world: World):
    """The library finds the login without any project."""
    gone = world.home / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert fetchtoken.get_token(min_valid_s=0).account_id == "acct-1"


def test_importing_the_package_imports_nothing_else(tmp_path: Path):
    """``import fetchtoken`` is free; its two functions load what they need on first use."""
    code = "import sys, fetchtoken; print([m for m in sys.modules if m.startswith('fetchtoken.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError):
        _ = fetchtoken.nothing
