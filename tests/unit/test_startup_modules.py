"""Start-up is imports: what a plain resolve may load, by name."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fetchtoken.domain.token import Token
from fetchtoken.options import Options
from fetchtoken.settings import load
from fetchtoken.settings.apikey import joined_file, origin_of
from fetchtoken.sources.cache import Copy, cache_file, write_copy
from fetchtoken.sources.ssh import copy_path
from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.tokens import jwt

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"typer", "pydantic", "asyncio", "ssl", "aiohttp", "asyncssh", "cryptography"}
ALLOWED = {
    "fetchtoken",
    "fetchtoken.codex",
    "fetchtoken.codex.config",
    "fetchtoken.domain",
    "fetchtoken.domain.claims",
    "fetchtoken.domain.errors",
    "fetchtoken.domain.instants",
    "fetchtoken.domain.jsontext",
    "fetchtoken.domain.names",
    "fetchtoken.domain.secret",
    "fetchtoken.domain.token",
    "fetchtoken.entry",
    "fetchtoken.files",
    "fetchtoken.files.core",
    "fetchtoken.files.guard",
    "fetchtoken.formats",
    "fetchtoken.formats.codex",
    "fetchtoken.options",
    "fetchtoken.output",
    "fetchtoken.resolve",
    "fetchtoken.settings",
    "fetchtoken.settings.cascade",
    "fetchtoken.settings.keys",
    "fetchtoken.sources",
    "fetchtoken.sources.local",
    "fetchtoken.sources.request",
    # C modules, free of charge
    "_json",
    "binascii",
    "errno",
    "resource",
}
"""Everything that a plain local resolve may add to a bare interpreter."""

# The command ends with os._exit, so what it loaded is written down at that moment.
_SPY = """
import os, sys
before = set(sys.modules)
sys.path.insert(0, {root!r})
def told(code):
    loaded = sorted(set(sys.modules) - before)
    with open({report!r}, "w") as file:
        file.write("\\n".join(loaded))
    real(code)
real = os._exit
os._exit = told
from fetchtoken.entry import main
sys.exit(main())
"""


def _loaded(world: World, *words: str) -> set[str]:
    """Return the modules that a command added to an interpreter without site packages."""
    report = world.home / "modules.txt"
    code = _SPY.format(root=str(ROOT), report=str(report))
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *words],
        env=world.environ,
        cwd=world.cwd,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return set(report.read_text().split())


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with a fresh login."""
    found = World(tmp_path)
    write_auth(found.home / ".codex/auth.json", jwt())
    return found


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-s", "local", "--min-valid", "60", "--timeout=9", "--no-cache", "--no-refresh"],
        ["-f", "json"],
        ["--format=env", "--shell", "powershell"],
        ["-f", "header"],
        ["-f", "opencode"],
        ["-f", "auth-json"],
    ],
    ids=lambda words: " ".join(words) or "plain",
)
def test_a_plain_local_resolve_loads_only_what_is_listed(world: World, words: list[str]):
    """Whatever the options, no module beyond the list is loaded, least of all the costly ones."""
    loaded = _loaded(world, *words)
    assert "fetchtoken.resolve" in loaded
    assert loaded <= ALLOWED
    assert not loaded & FORBIDDEN


def test_settings_in_files_cost_one_module(world: World):
    """Reading every tier, a profile and a named account loads the parser of settings files."""
    write_auth(world.home / ".codex/accounts/work.json", jwt())
    world.write(".config/codex-fetchtoken/scorpiox-env.txt", "CODEX_MIN_VALID=900\nACTIVE_PROFILE=ci\n")
    world.write(".config/codex-fetchtoken/scorpiox-env/ci.txt", "CODEX_ACCOUNT=work\n")
    world.write("project/scorpiox-env.txt", "CODEX_TOKEN_SOURCE=local\n")
    assert _loaded(world) <= ALLOWED | {"fetchtoken.settings.envfile"}


CACHED = {
    "fetchtoken.domain.digest",
    "fetchtoken.settings.apikey",
    "fetchtoken.sources.cache",
    "__future__",
    "_sha2",  # Python 3.12
    "_sha256",
}
"""What the copy of somebody else's token costs besides."""


@pytest.mark.parametrize("source", ["remote", "ssh"])
def test_a_cached_resolve_loads_only_what_is_listed(world: World, source: str):
    """A recent copy is printed without what the network, or asyncssh, would need."""
    world.environ |= {
        "CODEX_TOKEN_SOURCE": source,
        "CODEX_REMOTE_URL": "https://broker.example",
        "CODEX_SSH_HOST": "host.example",
        "CODEX_SSH_KEY": str(world.write("key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", mode=0o600)),
    }
    settings = load(Options(), world.environ, str(world.cwd))
    path = copy_path(settings, "") if source == "ssh" else cache_file(settings, "", None)
    write_copy(path, Copy(Token.from_jwt(jwt(), source=source), "", time.time()))
    loaded = _loaded(world)
    assert f"fetchtoken.sources.{source}" in loaded
    assert loaded <= ALLOWED | CACHED | {f"fetchtoken.sources.{source}"}
    assert not loaded & FORBIDDEN


def test_a_joined_key_costs_no_module(world: World):
    """A cached copy is printed with the key that ``join`` kept as with one in a file."""
    url = "https://broker.example"
    key_file = world.write("key", "cbk_one\n", mode=0o600)
    kept = world.write(joined_file(".config/codex-fetchtoken", origin_of(url)), "cbk_one\n", mode=0o600)
    world.environ |= {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_URL": url}
    settings = load(Options(), world.environ, str(world.cwd))
    write_copy(cache_file(settings, "", settings.api_key), Copy(Token.from_jwt(jwt()), "", time.time()))
    joined = _loaded(world)
    kept.unlink()
    world.environ["CODEX_REMOTE_API_KEY_FILE"] = str(key_file)
    assert joined == _loaded(world)
    assert not joined & FORBIDDEN


def test_the_list_would_notice(world: World, tmp_path: Path):
    """A command that goes through Typer loads modules that are not on the list."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, sys; from fetchtoken.cli import run_cli; print(json.dumps(sorted(sys.modules)))",
        ],
        env=world.environ,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert {"typer"} <= set(json.loads(done.stdout)) - ALLOWED
