"""``python -m tests.support.file_steps [--at HOME] TEMPLATE OUT WORDS…``: a command that dies at each step.

For each step that changes the disk (rename, link, symbolic link, unlink) there is a fresh
copy of the home ``TEMPLATE`` below ``OUT``, in which ``codex-fetchtoken WORDS`` ends right before
that step as ``kill -9`` would end it. The last copy has a run that came to its end. A process without
threads that has loaded everything: a step costs a fork. With ``--at`` each copy is at that path while
the command runs, for what remembers where it was.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from fetchtoken.cli import build_app
from fetchtoken.entry import execute
from tests.support.command import Capture

__all__ = ["STEPS"]

STEPS = ("rename", "replace", "link", "symlink", "unlink")
_MOST = 100


def main() -> int:
    """Run the command once for each of its steps; print how many there were."""
    arguments = sys.argv[1:]
    place = Path(arguments[1]) if arguments[0] == "--at" else None
    template, out, *words = arguments[2:] if place else arguments
    build_app()
    for number in range(1, _MOST):
        kept = Path(out) / f"{number:02}"
        home = place or kept
        shutil.copytree(template, home, symlinks=True)
        pid = os.fork()
        if pid == 0:
            os._exit(_run(home, words, number))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if place:
            kept.parent.mkdir(exist_ok=True)
            home.rename(kept)
        if code != -9:
            sys.stdout.write(f"{number}\n")
            return code
    return 1


def _run(home: Path, words: list[str], number: int) -> int:
    left = number

    def dying(function: Any) -> Any:
        def in_turn(*values: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
            return function(*values, **named)

        return in_turn

    for name in STEPS:
        setattr(os, name, dying(getattr(os, name)))
    environ = {**os.environ, "HOME": str(home)}
    err = Capture()
    code = execute(words, environ, str(home), Capture(), err)
    sys.stderr.write(err.text)
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
