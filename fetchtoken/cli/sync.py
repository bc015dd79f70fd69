"""``sync``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands import sync as command

__all__ = ["register"]


def sync(
    context: typer.Context,
    *,
    codex_home: Annotated[
        str, typer.Option("--codex-home", metavar="DIR", help="Whose auth.json. [CODEX_HOME, ~/.codex]")
    ] = "",
    adopted: Annotated[
        bool, typer.Option("--adopted", help="Only where it is access-only already; else do nothing.")
    ] = False,
) -> None:
    """Give Codex an access-only auth.json from the broker or SSH host."""
    caller = caller_of(context)
    home = os.path.join(caller.cwd, codex_home) if codex_home else ""
    command.sync(caller.settings(), caller.stderr.note, codex_home=home, adopted=adopted)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sync)
