"""A machine on which ``codex setup`` is run: a broker in reach, and a ``systemctl`` that only records."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.command import World
from tests.support.peers import Broker
from tests.support.tokens import answer, http, jwt

__all__ = ["Desk", "at_desk", "recording_systemctl"]

KEY = "cbk_a_b"

_SYSTEMCTL = """#!/bin/sh
echo "$*" >> {log}
case " {fails} " in *" $2 "*) echo "Failed to do that" >&2; exit 1;; esac
"""


def recording_systemctl(directory: Path, *, fails: str = "") -> Path:
    """Put a ``systemctl`` into a directory; return the file to which it writes what it was asked.

    Args:
        directory: goes into ``PATH``.
        fails: its words that end with an error, with blanks between.
    """
    directory.mkdir(exist_ok=True)
    log = directory / "asked"
    log.touch()
    program = directory / "systemctl"
    program.write_text(_SYSTEMCTL.format(log=log, fails=fails))
    program.chmod(0o755)
    return log


class Desk(World):
    """A person's home that asks a broker by its settings, with nothing of that in the environment.

    Attributes:
        codex: the Codex home.
        auth, config: its files.
        units: where the user's own units are.
        bearer: the token that the broker gives.
        state: where records are kept.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.codex = self.home / ".codex"
        self.auth = self.codex / "auth.json"
        self.config = self.codex / "config.toml"
        self.units = self.home / ".config/systemd/user"
        self.state = self.home / ".local/state/codex-fetchtoken"
        self.bearer = jwt()
        self.manager(root / "bin")

    def manager(self, directory: Path, *, fails: str = "") -> None:
        """Have a service manager that fails at some words, and takes all others."""
        self._log = recording_systemctl(directory, fails=fails)
        self.environ["PATH"] = str(directory)

    def ask(self, url: str, key: str) -> None:
        """Name the broker in the user's settings."""
        self.write("key", key, mode=0o600)
        self.write(
            ".config/codex-fetchtoken/scorpiox-env.txt",
            f"CODEX_TOKEN_SOURCE=remote\nCODEX_REMOTE_URL={url}\nCODEX_REMOTE_API_KEY_FILE={self.home}/key\n",
            mode=0o600,
        )

    @property
    def asked(self) -> list[str]:
        """What the service manager was asked, but whether it is there."""
        lines = self._log.read_text().splitlines()
        return [line.removeprefix("--user ") for line in lines if line != "--user show-environment"]

    @property
    def record(self) -> Path | None:
        """The record of the setup."""
        return next(self.state.glob("codex-setup-*.json"), None)

    def configure(self, text: str) -> str:
        """Write ``config.toml``; return the text."""
        self.write(".codex/config.toml", text, mode=0o600)
        return text

    def setup(self, *words: str) -> Any:
        """Run ``codex setup`` and expect it to work."""
        ran = self.run("codex", "setup", *words)
        assert ran.code == 0, ran
        return ran

    def undo(self) -> Any:
        """Run ``codex undo`` and expect it to work."""
        ran = self.run("codex", "undo")
        assert ran.code == 0, ran
        assert self.record is None
        return ran

    def access_only(self) -> dict[str, Any]:
        """Return what ``auth.json`` holds, which is no refresh token."""
        document: dict[str, Any] = json.loads(self.auth.read_text())
        assert document["auth_mode"] == "chatgptAuthTokens"
        assert document["tokens"]["refresh_token"] == ""
        return document


@contextmanager
def at_desk(root: Path) -> Iterator[Desk]:
    """A desk whose broker answers any number of times."""
    desk = Desk(root)
    with Broker(*[http(200, answer(desk.bearer)) for _ in range(40)]) as broker:
        desk.ask(f"http://127.0.0.1:{broker.port}", KEY)
        yield desk
