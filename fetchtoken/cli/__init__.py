"""The Typer app: the same resolve as :mod:`fetchtoken.entry`, and all subcommands.

Each module of this package with a ``register(app)`` adds its commands.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from io import TextIOBase
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import typer
from typer.main import get_command

from fetchtoken.domain.errors import ConfigError
from fetchtoken.output import emit

if TYPE_CHECKING:
    from fetchtoken.cli.caller import Caller
    from fetchtoken.output import Stream

__all__ = ["build_app", "run_cli"]

PROGRAM = "codex-fetchtoken"
_INTERRUPTED = 130


def build_app() -> typer.Typer:
    """Return the app with every group of commands that this package holds."""
    app = typer.Typer(
        name=PROGRAM,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help"]},
    )
    for module in sorted(iter_modules(__path__), key=lambda found: found.name):
        register = getattr(import_module(f"{__name__}.{module.name}"), "register", None)
        if register is not None:
            register(app)
    return app


def run_cli(argv: list[str], caller: Caller) -> int:
    """Run one command line through Typer; return its exit code.

    Args:
        argv: the words after the program's name.
        caller: what commands take from outside.

    Raises:
        FetchTokenError: what the command raised; usage errors as ``ConfigError``.
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        with redirect_stdout(_Printed(caller.stdout)):
            code = _command().main(args=argv, prog_name=PROGRAM, standalone_mode=False, obj=caller)
    except typer.TyperException as error:
        raise _usage_error(error) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


class _Printed(TextIOBase):
    """Standard output as Typer sees it: help that does not arrive is an error like any other."""

    encoding = "utf-8"

    def __init__(self, stdout: Stream) -> None:
        self._stdout = stdout

    def write(self, text: str, /) -> int:
        emit(self._stdout, text)
        return len(text)

    def isatty(self) -> bool:
        return self._stdout.isatty()


@cache
def _command() -> Any:
    """Return the app as the parser runs it; ``Typer.__call__`` would set a hook that prints locals."""
    return get_command(build_app())


def _usage_error(error: typer.TyperException) -> ConfigError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    return ConfigError(error.format_message(), hint=f"{path} --help")
