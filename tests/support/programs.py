"""The two real programs, as processes of their own on a machine that has nothing else on it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.command import Ran

__all__ = ["BROKER", "FETCHTOKEN", "Machine", "ended", "program"]

FETCHTOKEN = "codex-fetchtoken"
BROKER = "codex-broker"

LIMIT_S = 60
"""Longest run of one command; nearly all take less than a second."""


def program(name: str) -> str:
    """Return the path of one of our programs: beside the Python that runs the tests."""
    path = Path(sys.executable).parent / name
    assert path.is_file(), f"{path} is missing: install the project first"
    return str(path)


class Machine:
    """A person's home directory and environment; commands run in that home.

    Attributes:
        home: the home directory.
        environ: all that programs see; change it at will.
    """

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.home.mkdir(mode=0o700)
        self.environ = {"HOME": str(self.home), "PATH": os.environ.get("PATH", os.defpath)}

    @property
    def auth_file(self) -> Path:
        """Where Codex keeps its login."""
        return self.home / ".codex" / "auth.json"

    def write(self, path: str, text: str | bytes, *, mode: int = 0o600) -> Path:
        """Write a file below the home directory; return its path."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def start(self, name: str, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start a program with pipes; ``more`` goes into its environment."""
        return subprocess.Popen(
            [program(name), *words],
            env={**self.environ, **more},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str, *words: str, stdin: str = "", cwd: Path | None = None, **more: str) -> Ran:
        """Run a program to its end; ``more`` goes into its environment."""
        done = subprocess.run(
            [program(name), *words],
            env={**self.environ, **more},
            cwd=cwd or self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def fetch(self, *words: str, cwd: Path | None = None, **more: str) -> Ran:
        """Run ``codex-fetchtoken``."""
        return self.run(FETCHTOKEN, *words, cwd=cwd, **more)

    def broker(self, *words: str, stdin: str = "", **more: str) -> Ran:
        """Run ``codex-broker``."""
        return self.run(BROKER, *words, stdin=stdin, **more)


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for a started program and return what it did."""
    out, err = process.communicate(timeout=LIMIT_S)
    return Ran(process.returncode, out, err)
