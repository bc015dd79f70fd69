"""``login``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.cli.completion import accounts

__all__ = ["register"]


def login(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", autocompletion=accounts, help="An account; else Codex's own login."),
    ] = "",
    *,
    device: Annotated[bool, typer.Option("--device", help="Type a code on any device's browser.")] = False,
    browser: Annotated[
        bool, typer.Option("--browser", help="Use the browser here; it comes back to port 1455.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Show the link, open nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a login that is there.")] = False,
) -> None:
    """Log in; without a desktop by device code, else in the browser."""
    from fetchtoken.commands import login as command
    from fetchtoken.oauth.login.person import Person
    from fetchtoken.oauth.login.walks import Wishes

    caller = caller_of(context)
    person = Person(
        caller.stderr.note,
        caller.stderr.tell,
        caller.environ,
        stdin=-1 if sys.stdin is None else 0,
        stderr=caller.stderr.fd,
    )
    wishes = Wishes(device=device, browser=browser, no_open=no_open)
    command.login(caller.settings(), person, wishes, name=name, force=force)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(login)
