"""Runs ``codex-fetchtoken``: in this process with everything it sees in our hands, or as a real one."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

from fetchtoken.entry import execute
from fetchtoken.output import Stream

__all__ = ["Capture", "Ran", "World", "run_process"]

_CODE = "import sys; from fetchtoken.entry import main; sys.exit(main())"


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Capture(Stream):
    """A stream that keeps what was written to it."""

    __slots__ = ("text",)

    def __init__(self) -> None:
        super().__init__(-1)
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class World:
    """A home directory, a project in it and an environment, none of them anybody's real one.

    Attributes:
        home: the home directory.
        project: a directory in it with ``.git``; commands run there.
        environ: the environment; change it at will.
    """

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project = self.home / "project"
        (self.project / ".git").mkdir(parents=True)
        self.cwd = self.project
        self.environ = {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    def write(self, path: str, text: str | bytes, *, mode: int = 0o644) -> Path:
        """Write a file below the home directory; return its path."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def run(self, *words: str, plain: bool = True, stdin: str = "") -> Ran:
        """Run a command line in this process."""
        out, err = Capture(), Capture()
        before, sys.stdin = sys.stdin, TextIOWrapper(BytesIO(stdin.encode()))
        try:
            code = execute(list(words), self.environ, str(self.cwd), out, err, plain=plain)
        finally:
            sys.stdin = before
        return Ran(code, out.text, err.text)

    def process(self, *words: str, stdin: str = "") -> Ran:
        """Run a command line as a process of its own."""
        return run_process(words, self.environ, self.cwd, stdin=stdin)


def run_process(words: Sequence[str], environ: Mapping[str, str], cwd: Path, *, stdin: str = "") -> Ran:
    """Run the command as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *words],
        env=dict(environ),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
