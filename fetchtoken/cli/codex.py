"""``codex``: the real Codex CLI set up to use these tokens, and that taken back."""

from __future__ import annotations

import socket
import string
import sys
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.domain.errors import ConfigError
from fetchtoken.settings import Settings

__all__ = ["register"]

_NAME = frozenset(string.ascii_letters + string.digits + "._-")
_LONGEST = 64

codex = typer.Typer(help="Set up the Codex CLI to use these tokens.")


def _modes(incomplete: str) -> list[str]:
    from fetchtoken.commands.codex_plan import MODES

    return [mode for mode in MODES if mode.startswith(incomplete)]


@codex.command()
def setup(
    context: typer.Context,
    *,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", metavar="MODE", autocompletion=_modes, help="How: file, command or endpoint. [file]"
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="With endpoint: what the broker calls this Codex.")
    ] = "",
    show: Annotated[
        bool, typer.Option("--print", help="Show what would be written, without secrets; change nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Put aside what Codex is told otherwise, until undo.")
    ] = False,
) -> None:
    """Set up the Codex CLI to use the tokens of the remote or ssh source.

    With file it gets an access-only auth.json, which a user timer keeps fresh.

    With command it gets a model provider in config.toml, for whose bearer it
    runs codex-fetchtoken.

    With endpoint it gets a credential of its own in auth.json, with which it
    refreshes at the broker by itself.

    Nothing to do for the local source: Codex and this command use the same login there.
    """
    from fetchtoken.commands import codex_setup, codex_shown
    from fetchtoken.commands.codex_plan import MODES, Wish, check_places, source_for
    from fetchtoken.commands.unattended import own_path
    from fetchtoken.settings.trust import check_lasting

    caller = caller_of(context)
    settings = caller.settings()
    note = caller.stderr.note
    source = source_for(settings, mode)
    if not source:
        note("nothing to do: the source is local, where Codex and codex-fetchtoken use the same login")
        note("to bring Codex another machine's token: --source remote or --source ssh before codex setup")
        return
    check_lasting(settings)
    check_places(settings)
    program = own_path(sys.argv, caller.environ.get("PATH", ""))
    wish = Wish(mode or MODES[0], source, force, program, _machine(settings, name, mode))
    if show:
        caller.print(codex_shown.shown(settings, wish, note).removesuffix("\n"))
    elif variables := codex_setup.setup(settings, wish, note):
        note("Codex must be started with these variables; codex-fetchtoken exec sets them by itself")
        caller.print(codex_shown.shell_lines(variables).removesuffix("\n"))


def _machine(settings: Settings, name: str, mode: str) -> str:
    from fetchtoken.sources.machine import machine_name

    if not name:
        return machine_name(socket.gethostname(), settings.codex_home)
    if mode != "endpoint":
        raise ConfigError("--name does nothing without --mode endpoint", hint="leave --name out")
    if len(name) > _LONGEST or not _NAME.issuperset(name):
        raise ConfigError(
            f"--name: {name[:80]!r} is not allowed", hint="use 1 to 64 of letters, digits and ._-"
        )
    return name


@codex.command()
def undo(context: typer.Context) -> None:
    """Take back what codex setup did; nobody is logged out by it.

    What was changed since is left alone, and said.
    """
    from fetchtoken.commands import codex_undo

    caller = caller_of(context)
    codex_undo.undo(caller.settings(), caller.stderr.note)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(codex, name="codex")
