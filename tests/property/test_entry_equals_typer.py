"""The plain resolve is parsed twice: by hand for speed, by Typer for everything else. Both must agree.

2,000 command lines, environments and homes, made from a seed; each runs both ways in this process.
"""

import json
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fetchtoken import entry, resolve
from fetchtoken.cli import root
from fetchtoken.options import FORMATS, SHELLS, parse_options
from fetchtoken.settings import Settings
from tests.support.command import Ran, World
from tests.support.logins import write_auth
from tests.support.tokens import answer, jwt

COUNT = 2_000
CHUNKS = 20
SEED = 20261121
KEY = "cbk_differential"


class _Broker(BaseHTTPRequestHandler):
    """Answers every right key with one token and every other with 401."""

    bearer = ""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == f"Bearer {KEY}"
        body = json.dumps(answer(self.bearer) if known else {"code": "invalid_token"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    """Return the URL of a broker that always has a token."""
    handler = type("Handler", (_Broker,), {"bearer": jwt(account_id="remote-1")})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/codex"
    server.shutdown()
    thread.join()
    server.server_close()


VALUES = {
    "--source": ["local", "remote", "http", "remote,local", "local,remote", "ssh", "cloud", "", " local "],
    "--account": ["work", "work", "nobody", "Work", "", "a b", "-a", "\udcff"],
    "--format": ["json", "env", *FORMATS, "yaml", "", "=json"],
    "--shell": [*SHELLS, "zsh"],
    "--min-valid": ["0", "600", "0900", "864000", "864001", "-1", "1e3", "", "٣"],
    "--cache-max-age": ["0", "300", "864001", "-1", "x", ""],
    "--profile": ["bare", "bare", "ci", "gone", "../x", ""],
    "--timeout": ["30", "12.5", "20", "0", "-1", "nan", "", "."],
}
SHORT = {"--source": "-s", "--account": "-a", "--format": "-f"}
FLAGS = ["--no-refresh", "--no-cache", "--verbose", "-v"] * 5 + ["--force-refresh"]
STRANGE = [
    ["--bogus"],
    ["--verbose=1"],
    ["--format"],
    ["-"],
    ["--"],
    ["-x"],
    ["-vx"],
    ["bogus"],
    ["--sourc", "local"],
    ["config", "get", "CODEX_TOKEN_SOURCE"],
    ["config", "show"],
    ["--version"],
]
ENVIRONMENT = {
    "CODEX_TOKEN_SOURCE": VALUES["--source"],
    "CODEX_ACCOUNT": ["work", "nobody", "NO", ""],
    "CODEX_MIN_VALID": ["0", "900", "x"],
    "ACTIVE_PROFILE": ["bare", "bare", "gone"],
    "CODEX_CREDENTIALS_FILE": ["~/other.json", "other.json", "/no/such/file"],
    "OPENAI_CODEX_PATH": ["~/.codex", "~/.codex/auth.json"],
    "CODEX_REMOTE_API_KEY": [KEY, KEY, "cbk_wrong", "two words"],
    "CODEX_CACHE_MAX_AGE": ["0", "x"],
    "XDG_CONFIG_HOME": ["/no/such/directory"],
    "UNKNOWN": ["x"],
}


def _option(rng: random.Random) -> list[str]:
    name = rng.choice(list(VALUES))
    likely = VALUES[name][: 2 if rng.random() < 0.85 else None]
    value = rng.choice(likely)
    forms = [[name, value], [f"{name}={value}"]]
    if short := SHORT.get(name):
        forms += [[short, value], [short + value], ["-v" + short[1] + value], ["-v" + short[1], value]]
    return rng.choice(forms)


def _words(rng: random.Random) -> list[str]:
    words: list[str] = []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 2, 3, 5])):
        words += _option(rng) if rng.random() < 0.75 else [rng.choice(FLAGS)]
    if rng.random() < 0.08:
        strange = rng.choice(STRANGE)
        words = [*words, *strange] if rng.random() < 0.7 else [*strange, *words]
    return words


def _files(rng: random.Random, world: World) -> None:
    """Put a random login and random settings into a fresh home."""
    life = rng.choice([86_400] * 12 + [700, 300, -5])
    if rng.random() < 0.85:
        write_auth(world.home / ".codex/auth.json", jwt(3600 + life, age_s=3600))
    if rng.random() < 0.6:
        write_auth(world.home / ".codex/accounts/work.json", jwt(account_id="acct-2"))
        write_auth(world.home / "other.json", jwt(account_id="acct-3"))
    if rng.random() < 0.1:
        (world.home / "other.json").unlink(missing_ok=True)
        world.write("other.json", "{}", mode=rng.choice([0o600, 0o644]))
    lines = [
        "",
        "CODEX_MIN_VALID=0",
        "# nothing",
        "CODEX_TOKEN_SOURCE=remote,local",
        "OTHER=1",
        "CODEX_ACCOUNT=work",
    ]
    for path in (
        "project/scorpiox-env.txt",
        ".claude/scorpiox-env.txt",
        "project/.scorpiox/scorpiox-env.txt",
    ):
        if rng.random() < 0.3:
            world.write(path, "\n".join(rng.sample(lines, 2)) + "\n")
    if rng.random() < 0.05:
        world.write("project/scorpiox-env.txt", "CODEX_REMOTE_URL=https://evil.example\n")
    if rng.random() < 0.05:
        world.write(".claude/scorpiox-env.txt", "malformed\n")
    world.write(".claude/scorpiox-env/bare.txt", "")
    world.write("project/scorpiox-env/ci.txt", "CODEX_MIN_VALID=1\n")


def _environment(rng: random.Random, world: World, broker_url: str) -> None:
    for key, values in ENVIRONMENT.items():
        if rng.random() < 0.06:
            world.environ[key] = rng.choice(values)
    # Never the built-in URL: these tests speak to loopback only.
    world.environ["CODEX_REMOTE_URL"] = rng.choice([broker_url, broker_url, "unix:/no/such/socket"])
    if rng.random() < 0.5:
        world.environ["CODEX_REMOTE_API_KEY"] = KEY


def _both(
    world: World, words: list[str], seen: list[Any]
) -> tuple[tuple[Ran, list[Any]], tuple[Ran, list[Any]]]:
    results = []
    for plain in (True, False):
        shutil.rmtree(world.home / ".cache", ignore_errors=True)
        seen.clear()
        results.append((world.run(*words, plain=plain), list(seen)))
    return results[0], results[1]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_both_ways_do_the_same(chunk: int, tmp_path: Path, broker_url: str, monkeypatch: pytest.MonkeyPatch):
    """Settings, options, standard output, standard error and exit code are equal for every command line."""
    rng = random.Random(SEED + chunk)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)
    seen: list[Any] = []
    real = resolve.load

    def spy(options: Any, environ: Any, cwd: str) -> Settings:
        settings = real(options, environ, cwd)
        rows = [(key, settings.shown(key), settings.origin(key)) for key in settings.keys_set]
        seen.append((repr(options), settings.sources, settings.account, settings.min_valid_s, rows))
        return settings

    monkeypatch.setattr(resolve, "load", spy)
    plainly = 0
    codes: Counter[int] = Counter()
    for number in range(COUNT // CHUNKS):
        if number % 5 == 0:
            world = World(tmp_path / str(number))
            _files(rng, world)
        world.environ = {"HOME": str(world.home)}
        _environment(rng, world, broker_url)
        words = _words(rng)
        plainly += parse_options(words) is not None
        by_hand, by_typer = _both(world, words, seen)
        assert by_hand == by_typer, (words, world.environ)
        codes[by_hand[0].code] += 1
    assert plainly > COUNT // CHUNKS / 2, "most command lines must take the short way"
    assert codes[0] > COUNT // CHUNKS / 10, "a good part must print a token"
    assert not codes[1], "none may end in a bug"


def test_the_two_ways_are_really_two(world_of_one: World, monkeypatch: pytest.MonkeyPatch):
    """``plain=False`` goes through Typer, and a plain resolve does not."""
    ways = []
    monkeypatch.setattr(root, "run", lambda *_, **__: ways.append("typer"))
    monkeypatch.setattr(resolve, "run", lambda *_, **__: ways.append("hand"))
    assert world_of_one.run(plain=True).code == 0
    assert world_of_one.run(plain=False).code == 0
    assert ways == ["hand", "typer"]


@pytest.fixture
def world_of_one(tmp_path: Path) -> World:
    """Return a world without a login."""
    return World(tmp_path)


def test_completion_goes_to_typer(world_of_one: World):
    """A shell that asks for completions gets Typer's answer, not a token."""
    world_of_one.environ["_CODEX_FETCHTOKEN_COMPLETE"] = "complete_bash"
    world_of_one.environ["COMP_WORDS"] = "codex-fetchtoken conf"
    world_of_one.environ["COMP_CWORD"] = "1"
    assert entry._COMPLETION in world_of_one.environ
    assert world_of_one.process().out.split() == ["config"]
