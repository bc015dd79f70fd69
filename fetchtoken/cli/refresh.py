"""``refresh``."""

from __future__ import annotations

from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.cli.completion import accounts
from fetchtoken.commands import refresh as command

__all__ = ["register"]


def refresh(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", autocompletion=accounts, help="The account; else the default login."),
    ] = "",
    *,
    all_: Annotated[bool, typer.Option("--all", help="The default login and every account.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if not due; one in doubt is sent once more.")
    ] = False,
) -> None:
    """Renew local logins past 60 % of their life, as timers do."""
    caller = caller_of(context)
    command.refresh(caller.settings(), caller.stderr.note, name=name, all_accounts=all_, force=force)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(refresh)
