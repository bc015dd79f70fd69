"""Transcripts: what a person types and what comes back, as a file.

::

    # a comment
    @ ~/project/scorpiox-env.txt        write the lines below into this file
    | CODEX_ACCOUNT=team
    < cbk_word                          what the next command reads from standard input
    $ codex-fetchtoken config get CODEX_ACCOUNT
    team                                standard output, exactly
    ! note: …                           standard error, exactly
    = 4                                 exit code, where it is not 0

``~`` stands for the home directory of the test, in commands and in output alike.
"""

import difflib
import shlex
from itertools import takewhile
from pathlib import Path

from tests.support.command import World

__all__ = ["play"]


def play(script: Path, world: World) -> None:
    """Run a transcript's commands in a world; fail with a diff where the world says otherwise."""
    said: list[str] = []
    stdin = ""
    expected = script.read_text().splitlines()
    lines = [*expected, ""]
    for number, line in enumerate(lines):
        kind, rest = line[:2], line[2:]
        if kind == "@ ":
            body = [text[2:] for text in takewhile(_is_body, lines[number + 1 :])]
            world.write(rest.strip().removeprefix("~/"), "\n".join(body) + "\n", mode=0o600)
        if kind == "< ":
            stdin = rest + "\n"
        if kind == "$ ":
            said += [line, *_answer(rest, world, stdin)]
            stdin = ""
        elif kind in ("# ", "@ ", "< ", "| ") or not line:
            said.append(line)
    said.pop()
    assert said == expected, "\n".join(difflib.unified_diff(expected, said, str(script), "said", lineterm=""))


def _is_body(line: str) -> bool:
    return line.startswith("| ")


def _answer(command: str, world: World, stdin: str) -> list[str]:
    """Return a command's output, errors and exit code as a transcript's lines."""
    home = str(world.home)
    program, *words = [word.replace("~", home) for word in shlex.split(command)]
    assert program == "codex-fetchtoken"
    ran = world.run(*words, stdin=stdin)
    lines = ran.out.replace(home, "~").splitlines()
    lines += ["! " + line for line in ran.err.replace(home, "~").splitlines()]
    return [*lines, f"= {ran.code}"] if ran.code else lines
