"""``use`` and ``rename``."""

from __future__ import annotations

from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.cli.completion import accounts
from fetchtoken.commands import use as command

__all__ = ["register"]


def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=accounts, help="An account.")],
) -> None:
    """Make an account the default login, for Codex as well.

    The file auth.json becomes a link to the account's; a login that stands there is moved.
    """
    caller = caller_of(context)
    command.use(caller.settings(), caller.stderr.note, name=name)


def rename(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", autocompletion=accounts, help="Its name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from then on.")],
) -> None:
    """Give a local account another name."""
    caller = caller_of(context)
    command.rename(caller.settings(), caller.stderr.note, old=old, new=new)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(use)
    app.command()(rename)
