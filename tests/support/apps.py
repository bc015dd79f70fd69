"""Both programs as the parser knows them: every group, command, argument and option."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from broker.cli.entry import application
from fetchtoken.cli import build_app

__all__ = ["Command", "commands", "uses"]

_TYPERS_OWN = {"install_completion", "show_completion"}
"""Typer adds them to every program."""


@dataclass(frozen=True)
class Command:
    """A command or group.

    Attributes:
        path: the words that lead to it, the program first.
        parser: what reads the rest of the line.
    """

    path: tuple[str, ...]
    parser: Any

    @property
    def words(self) -> str:
        return " ".join(self.path)

    @property
    def below(self) -> dict[str, "Command"]:
        """What a group holds."""
        inner = getattr(self.parser, "commands", {})
        return {name: Command((*self.path, name), parser) for name, parser in inner.items()}

    @property
    def runs(self) -> bool:
        """Whether it does something without a further word."""
        return not self.below or bool(self.parser.invoke_without_command)

    @property
    def parameters(self) -> list[Any]:
        """Its arguments and options, without what Typer adds to every program."""
        return [one for one in self.parser.params if one.name not in _TYPERS_OWN]

    def option(self, word: str) -> Any:
        """Return the option of this name, or ``None``."""
        for one in self.parameters:
            if word in (*one.opts, *one.secondary_opts):
                return one
        return None


def commands() -> list[Command]:
    """Return every command and group of both programs."""
    programs = {"codex-fetchtoken": build_app(), "codex-broker": application()}
    return [one for name, app in programs.items() for one in _walk(Command((name,), get_command(app)))]


def _walk(command: Command) -> Iterator[Command]:
    yield command
    for one in command.below.values():
        yield from _walk(one)


def uses(words: list[str], programs: dict[str, Command]) -> Iterator[tuple[str, str]]:
    """Read a command line as the parser would; yield each command in it, and each parameter that it gives.

    Args:
        words: program and arguments.
        programs: both programs by name.

    Yields:
        The command's words, with the name of an option or argument, or with an empty string.
    """
    command = programs[words[0]]
    positional = 0
    rest = words[:0:-1]
    over = False
    while rest:
        word = rest.pop()
        if word == "--" and not over:
            over = True
            continue
        name, equals, _ = word.partition("=")
        option = command.option(name) if word.startswith("-") and not over else None
        if option is not None:
            yield command.words, option.opts[0]
            if not option.is_flag and not equals:
                rest.pop()
        elif word in command.below and not positional and not over:
            command = command.below[word]
        else:
            arguments = [one for one in command.parameters if one.param_type_name == "argument"]
            if arguments:
                yield command.words, arguments[min(positional, len(arguments) - 1)].name
            positional += 1
    yield command.words, ""
