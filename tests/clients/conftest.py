"""A team's broker with one adopted login and one client, all of it the real programs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.backend import running_backend
from tests.support.codex_cli import Codex, Release, releases
from tests.support.internet import Internet, running_internet
from tests.support.issuer import Issuer, Login, issuer_in_thread
from tests.support.office import Enrolled, Office, running_office

BIN = Path(sys.executable).parent
LIMIT_S = 60


@dataclass(frozen=True)
class Team:
    """Programs that know each other: issuer, broker, a client's machine.

    Attributes:
        root: everybody's files.
        issuer: the authorization server.
        remote: the client's settings, as environment.
    """

    root: Path
    issuer: Issuer
    remote: dict[str, str] = field(default_factory=dict)

    def broker_environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            "CODEX_BROKER_HOME": str(self.root / "broker"),
            "CODEX_BROKER_ISSUER_URL": self.issuer.url,
            "CODEX_BROKER_ISSUER_BACKEND_URL": f"{self.issuer.url}/backend-api",
        }

    def broker(self, *words: str) -> str:
        """Run an administrative command; return what it printed."""
        return self._run("codex-broker", words, self.broker_environment())

    def fetchtoken(self, *words: str) -> str:
        """Run the command as the client's machine would; return what it printed."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.root), **self.remote}
        return self._run("codex-fetchtoken", words, environment)

    def _run(self, program: str, words: tuple[str, ...], environment: dict[str, str]) -> str:
        done = subprocess.run(
            [str(BIN / program), *words],
            env=environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stderr + (self.root / "broker.log").read_text()
        return done.stdout

    def adopt(self, name: str, **wishes: object) -> tuple[Login, Path]:
        """Log in as Codex would and let the broker adopt it; return the login and its file.

        Args:
            name: of the account.
            **wishes: of the login, such as ``age_s``.
        """
        path = self.root / name / "auth.json"
        path.parent.mkdir(mode=0o700)
        login = self.issuer.mint(email=f"{name}@example.com", **wishes)
        login.write(path)
        self.broker("account", "adopt", str(path), "--name", name)
        return login, path

    def rotate(self) -> str:
        """Force an exchange; return the token that is current from then on."""
        self.broker("account", "refresh", "work", "--force")
        return self.fetchtoken().strip()


@contextmanager
def _serving(team: Team) -> Iterator[str]:
    """Run ``codex-broker up``; give its URL."""
    argv = [str(BIN / "codex-broker"), "up", "--port", "0"]
    with (
        (team.root / "broker.log").open("w+") as log,
        subprocess.Popen(
            argv,
            env=team.broker_environment(),
            cwd=team.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            word, _, url = process.stdout.readline().strip().partition(" ")
            assert word == "ready", (team.root / "broker.log").read_text()
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A running broker that keeps ``work``, and a client that may use it; shared by a module's tests."""
    root = tmp_path_factory.mktemp("team")
    with issuer_in_thread() as issuer:
        team = Team(root, issuer)
        with _serving(team) as url:
            team.adopt("work")
            key = json.loads(team.broker("client", "add", "laptop", "--account", "work", "--json"))["api_key"]
            key_file = root / "api-key"
            key_file.touch(mode=0o600)
            key_file.write_text(key + "\n")
            team.remote.update(
                CODEX_TOKEN_SOURCE="remote",
                CODEX_REMOTE_URL=url,
                CODEX_REMOTE_API_KEY_FILE=str(key_file),
                # Each use asks the broker whether the copy is still the newest: rotations show at once.
                CODEX_CACHE_MAX_AGE="0",
            )
            yield team


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A running broker in which each test enrols machines of its own; one for all, since a start is dear."""
    with running_office(tmp_path_factory.mktemp("office")) as running:
        yield running


@pytest.fixture
def fetchtoken(tmp_path: Path) -> Callable[..., str]:
    """Run our command as an enrolled machine would; return what it printed."""

    def run(machine: Enrolled, *words: str) -> str:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(tmp_path), **machine.remote}
        done = subprocess.run(
            [str(BIN / "codex-fetchtoken"), *words],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[Internet]:
    """Every other host."""
    with running_internet(tmp_path) as found:
        yield found


@pytest.fixture(params=releases(), ids=str)
def release(request: pytest.FixtureRequest) -> Release:
    """Each version of the Codex CLI in turn: whatever asks for one is tested with all."""
    found: Release = request.param
    return found


@pytest.fixture
def codex(release: Release, tmp_path: Path) -> Iterator[Codex]:
    """The real Codex CLI with an empty home and a backend of its own that accepts no bearer yet."""
    home = tmp_path / "laptop" / ".codex"
    home.mkdir(parents=True, mode=0o700)
    with running_backend() as backend:
        yield Codex(release.need(), home, backend)
