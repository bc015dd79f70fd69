"""Reads and plays transcripts: what a person types, and every line that comes back.

::

    Free text that tells the story.

    @ mint work                   a directive: something happens on stage
    $ codex-broker account list   a command, and then its whole output:
    work  pro  …                  a line on stdout
    ! hint: …                     a line on stderr
    [2]                           the exit code, where it is not 0

Both programs speak, and a command may be a little more than one: ``< ~/FILE`` is its input,
``> ~/FILE`` keeps its output, and ``&`` leaves it running until ``@ stop`` or ``@ end`` of the
same block, under which its output stands. ``~/`` is the person's home; ``codex-fetchtoken`` runs
in ``~/project``. Blocks are separated by empty lines. What changes from run to run is written by
its name (``tests/transcripts/plain.py``), so that the text reads the same every time.

``python -m tests.transcripts.record STORY…`` writes down what is seen now.
"""

import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.transcripts.stage import Stage

__all__ = ["Line", "lines_of", "play", "stories"]

HERE = Path(__file__).parent


def stories(program: str = "*") -> list[Path]:
    """Return every transcript, or those of ``broker`` or ``fetchtoken``."""
    return sorted(HERE.glob(f"{program}/*.txt"))


@dataclass(frozen=True)
class Line:
    """A command line of a transcript.

    Attributes:
        words: program and arguments, without what a shell takes for itself.
        stdin: the file that it reads, or an empty string.
        stdout: the file that it writes, or an empty string.
        stays: it is left running.
        code: the exit code as written below it; 0 while it runs.
    """

    words: list[str]
    stdin: str = ""
    stdout: str = ""
    stays: bool = False
    code: int = 0

    @classmethod
    def of(cls, text: str, *, code: int = 0) -> "Line":
        """Read one, without the dollar sign."""
        words = shlex.split(text)
        files = {}
        for sign in "<>":
            if sign in words:
                at = words.index(sign)
                files[sign] = words[at + 1]
                del words[at : at + 2]
        stays = words[-1] == "&"
        return cls(words[:-1] if stays else words, files.get("<", ""), files.get(">", ""), stays, code)


def lines_of(path: Path) -> list[Line]:
    """Return the command lines of a transcript, each with the exit code that is written below it."""
    found = []
    for block in path.read_text().split("\n\n"):
        lines = block.strip("\n").splitlines()
        commands = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for number, until in pairwise([*commands, len(lines)]):
            codes = [line for line in lines[number + 1 : until] if line[:1] == "[" and line[1:-1].isdigit()]
            found.append(Line.of(lines[number][2:], code=int(codes[-1][1:-1]) if codes else 0))
    return found


def play(path: Path, stage: Stage) -> tuple[str, str]:
    """Play a transcript; return what was written and what was seen.

    Args:
        path: the transcript.
        stage: on which it is played.
    """
    written, seen = [], []
    for block in path.read_text().split("\n\n"):
        lines = block.strip("\n").splitlines()
        written.append("\n".join(lines))
        now: list[str] = []
        spoken = False
        for line in lines:
            if line.startswith("@ "):
                said = stage.act(shlex.split(line[2:]))
                now += [line, *said]
                spoken = spoken or bool(said)
            elif line.startswith("$ "):
                command = Line.of(line[2:])
                now += [line, *stage.run(command.words, command.stdin, command.stdout, stays=command.stays)]
                spoken = True
            elif not spoken:
                now.append(line)
        seen.append("\n".join(now))
    return "\n\n".join(written), "\n\n".join(seen)
