"""``logout``."""

from __future__ import annotations

from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.cli.completion import accounts
from fetchtoken.commands import logout as command

__all__ = ["register"]


def logout(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", autocompletion=accounts, help="The account; else the default login."),
    ] = "",
    *,
    all_: Annotated[bool, typer.Option("--all", help="The default login and every account.")] = False,
    keep_grant: Annotated[
        bool, typer.Option("--keep-grant", help="Delete only: the login lives on at the issuer.")
    ] = False,
) -> None:
    """Revoke a local login at its issuer, then delete it.

    Where the issuer does not confirm the revocation, nothing is deleted.
    """
    caller = caller_of(context)
    command.logout(caller.settings(), caller.stderr.note, name=name, all_accounts=all_, keep_grant=keep_grant)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logout)
