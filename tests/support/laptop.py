"""Somebody's machine: a home with a Codex login from the strict issuer, and the real command."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fetchtoken.codex.refresh_file import Job
from fetchtoken.oauth.spawn import REFRESH_FILE, boot_clock_s, child_argv, child_environment, encode_frame
from tests.support.command import Ran
from tests.support.issuer import Issuer, Login
from tests.support.programs import FETCHTOKEN, program

__all__ = ["EXPIRED", "STALE", "Laptop", "child_of", "together"]

EXPIRED = {"life_s": 864_000, "age_s": 864_000}
"""A login whose ten-day token has just ended."""
STALE = {"life_s": 864_000, "age_s": 700_000}
"""One that lives for two more days, with its refresh due."""


class Laptop:
    """A home directory and what runs in it.

    Attributes:
        auth: the path of ``auth.json``.
        environ: the environment of every command.
    """

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self.issuer = issuer
        self.home = root / "home"
        self.codex_home = self.home / ".codex"
        self.codex_home.mkdir(parents=True)
        self.auth = self.codex_home / "auth.json"
        self.attempt = self.codex_home / "auth.json.attempt"
        self.environ = {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    def log_in(self, path: Path | None = None, **wishes: Any) -> Login:
        """Have a login minted and write its file as Codex would."""
        login = self.issuer.mint(**wishes)
        login.write(path or self.auth)
        return login

    def document(self) -> dict[str, Any]:
        """Return what stands in the file now."""
        return dict(json.loads(self.auth.read_text()))

    @property
    def access_token(self) -> str:
        """The token in the file now."""
        return str(self.document()["tokens"]["access_token"])

    def sent(self) -> list[str]:
        """Return what the issuer decided on each exchange request."""
        return [entry["decision"] for entry in self.issuer.exchanges()]

    def start(self, *words: str, before: tuple[str, ...] = (), **how: Any) -> subprocess.Popen[str]:
        """Start the command in a session of its own."""
        return subprocess.Popen(
            [*before, program(FETCHTOKEN), *words],
            env=self.environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **how,
        )

    def run(self, *words: str, before: tuple[str, ...] = (), **how: Any) -> Ran:
        """Run the command to its end."""
        with self.start(*words, before=before, **how) as process:
            out, err = process.communicate(timeout=60)
        return Ran(process.returncode, out, err)

    def exchange(self, *, before: tuple[str, ...] = (), **wishes: Any) -> int:
        """Run the exchange process alone, as the command would; return how it ended."""
        done = subprocess.run(
            [*before, *child_argv(REFRESH_FILE)],
            input=encode_frame(self.job(**wishes)),
            env=child_environment(self.environ),
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode

    def litter(self) -> list[str]:
        """Return the names beside the login that are neither it nor a lock."""
        wanted = {"auth.json", "auth.json.lock", "auth.lock", "accounts", "config.toml"}
        return sorted({path.name for path in self.codex_home.iterdir()} - wanted)

    def job(self, **wishes: Any) -> dict[str, object]:
        """Return the request that the command would give to the exchange process."""
        given: Mapping[str, Any] = {
            "path": str(self.auth),
            "codex_home": str(self.codex_home),
            "min_valid_s": 600,
            "when_due": False,
            "force": False,
            "replay": False,
            "began_s": time.time(),
            "started_s": boot_clock_s(),
        }
        return Job(**{**given, **wishes}).to_json()


def child_of(process: subprocess.Popen[str]) -> int:
    """Return the id of the one process that a command has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process.pid:
                found.append(int(stat.parent.name))
    assert len(found) == 1, f"{process.pid} has the children {found}"
    return found[0]


def together(laptop: Laptop, count: int, *words: str) -> list[Ran]:
    """Run so many commands at once; return what each of them did."""
    started = [laptop.start(*words) for _ in range(count)]
    ran = []
    for process in started:
        with process:
            out, err = process.communicate(timeout=90)
        ran.append(Ran(process.returncode, out, err))
    return ran
