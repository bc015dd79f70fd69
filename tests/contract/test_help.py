"""What ``--help`` says of each command, on a terminal of 80 columns."""

import io
import os
from contextlib import redirect_stdout
from unittest import mock

import pytest

from broker.cli.entry import run as run_broker
from fetchtoken.entry import execute
from tests.support.apps import Command, commands
from tests.support.command import Capture

COLUMNS = 80
EVERY = commands()


def help_of(command: Command) -> str:
    """Return what a person reads."""
    program, *words = command.path
    with mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS)}):
        if program == "codex-broker":
            printed = io.StringIO()
            with redirect_stdout(printed):
                assert run_broker([*words, "--help"]) == 0
            return printed.getvalue()
        out, err = Capture(), Capture()
        assert execute([*words, "--help"], os.environ, "/", out, err) == 0, err.text
        return out.text


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.words)
def test_it_fits_and_nothing_is_cut_off(command: Command) -> None:
    """No line is longer than the terminal, and no sentence of a list ends in three dots."""
    usage, *lines = help_of(command).splitlines()
    assert usage.startswith(f"Usage: {command.words} ")
    assert "[[" not in usage, "the parser adds the brackets"
    assert [line for line in (usage, *lines) if len(line) > COLUMNS] == []
    assert [line for line in lines if "..." in line or "…" in line] == []


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.words)
def test_it_begins_with_a_sentence(command: Command) -> None:
    """The first sentence says what the command does, and stands whole in the list above it."""
    text = " ".join(command.parser.help.split())
    assert text[0].isupper(), text
    assert text[-1] == ".", text
    if len(command.path) > 1:
        above = next(one for one in EVERY if one.path == command.path[:-1])
        first, _, _ = text.partition(". ")
        assert first.rstrip(".") in help_of(above)


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.words)
def test_every_argument_and_option_is_explained(command: Command) -> None:
    """Each has a text that begins with a capital and ends as a sentence or with its default."""
    for one in command.parameters:
        text = one.help or ""
        assert text, f"{command.words} {one.name} has no help"
        assert text[0].isupper() or text.split()[0].rstrip(",") in SPELLED, text
        assert text[-1] in ".]", text


SPELLED = {"local", "token", "user"}
"""Values that a help text begins with, as they are typed."""
