"""The entry point: parse, run, and turn every outcome into words and an exit code."""

import sys
from typing import Annotated

import typer

from broker.cli import speech
from broker.cli.daemon import serve, up
from fetchtoken import __version__
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.files.core import forbid_core_dumps

__all__ = ["application", "main", "run"]

_DAEMON = {"serve": serve, "up": up}


def _version(asked: bool) -> None:  # noqa: FBT001 - the shape of a Typer callback
    if asked:
        speech.data(f"codex-broker {__version__}")
        raise typer.Exit


def _options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep Codex logins fresh and serve their access tokens to your machines."""


def application(first: str = "") -> typer.Typer:
    """Return the application, as much of it as a command line needs.

    Args:
        first: its first word. A daemon waits for no command but its own, so that a restart serves sooner.
    """
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    if first in _DAEMON:
        app.command()(_DAEMON[first])
    else:
        from broker.cli.commands import add_commands

        add_commands(app)
    return app


def main() -> int:
    """Run the process's own command line (the console script)."""
    forbid_core_dumps()
    return run(sys.argv[1:])


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    verbose = bool({"--verbose", "-v"} & set(arguments[:1]))
    usage = typer.BadParameter.__mro__[1]  # the class of every usage error; its module is private
    try:
        app = application(*arguments[:1])
        code = typer.main.get_command(app).main(arguments, "codex-broker", standalone_mode=False)
    except FetchTokenError as problem:
        return speech.error(problem, verbose=verbose)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        sys.stderr.close()
        return 1
    except Exception as problem:  # noqa: BLE001 - the last resort: words instead of a traceback
        if isinstance(problem, usage):
            return _misused(problem)
        return speech.bug(problem, verbose=verbose)
    if code == 130:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    speech.note("codex-broker: interrupted")
    return 130


def _misused(problem: Exception) -> int:
    message = str(getattr(problem, "format_message", problem.__str__)())
    context = getattr(problem, "ctx", None)
    if "\n" in message:  # a group without a command: the message is its help
        speech.note(message)
        return 2
    return speech.usage_error(message.rstrip("."), getattr(context, "command_path", "codex-broker"))
