"""Nothing that either program offers goes without a transcript."""

import pytest

from tests.support.apps import Command, commands, uses
from tests.transcripts.transcript import lines_of, stories

EVERY = commands()
PROGRAMS = {one.words: one for one in EVERY if len(one.path) == 1}

USAGE = 2
"""A line that was refused as it stands shows nothing of what its options do."""


def shown() -> set[tuple[str, str]]:
    """Return what the transcripts show, in command lines that were understood."""
    lines = [line for story in stories() for line in lines_of(story)]
    return {use for line in lines if line.code != USAGE for use in uses(line.words, PROGRAMS)}


SHOWN = shown()


def offered(command: Command) -> list[tuple[str, str]]:
    """Return what a command offers: itself, if it runs, and each of its arguments and options."""
    names = [one.opts[0] if one.param_type_name == "option" else one.name for one in command.parameters]
    return [(command.words, name) for name in ([""] if command.runs else []) + names]


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.words)
def test_a_transcript_shows_it(command: Command) -> None:
    """A played transcript has a line with the command, with each argument and with each option."""
    missing = [f"{words} {name}".rstrip() for words, name in offered(command) if (words, name) not in SHOWN]
    assert not missing, f"no transcript shows {', '.join(missing)}"


def test_a_refused_line_does_not_count() -> None:
    """The one line with ``account list --jsno`` ends in 2: it is no transcript of anything."""
    assert ("codex-broker account list", "--json") in SHOWN
    assert ("codex-broker account list", "--jsno") not in SHOWN


def test_lines_are_read_as_the_parser_reads_them() -> None:
    """Values are not taken for commands, nor what follows an option for an argument."""
    line = ["codex-fetchtoken", "--account", "status", "config", "set", "CODEX_ACCOUNT", "x", "--tier=user"]
    assert list(uses(line, PROGRAMS)) == [
        ("codex-fetchtoken", "--account"),
        ("codex-fetchtoken config set", "key"),
        ("codex-fetchtoken config set", "value"),
        ("codex-fetchtoken config set", "--tier"),
        ("codex-fetchtoken config set", ""),
    ]
