"""``import``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands.importing import import_logins
from fetchtoken.domain.jsontext import dumps

__all__ = ["register"]


def import_(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FILE|DIR|-", help="A login file of any tool, a directory of them, or -.")
    ],
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call the account.")] = "",
    neutralise: Annotated[
        bool,
        typer.Option("--neutralise", help="Leave the source access-only, so that one program refreshes."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
) -> None:
    """Bring logins of other tools into the accounts here.

    Codex, scorpiox, CCS, CLIProxyAPI, codex-lb, opencode, llm-interactive-proxy, codex-multi-auth: found by
    content. Nothing is rotated, and a note says which program must stop refreshing.
    """
    caller = caller_of(context)
    settings = caller.settings()
    imported = import_logins(
        settings.codex_home,
        caller.stderr.note,
        source=os.path.join(caller.cwd, os.path.expanduser(source)),
        piped=_piped() if source == "-" else None,
        name=name,
        neutralise=neutralise,
    )
    if json:
        caller.print(dumps([one.to_json() for one in imported], indent=2))
        return
    for one in imported:
        caller.print(f"{'imported' if one.changed else 'unchanged'} {one.account}")


def _piped() -> bytes:
    """Return standard input, as bytes where it has any beneath."""
    if sys.stdin is None:
        return b""
    beneath = getattr(sys.stdin, "buffer", None)
    return beneath.read() if beneath is not None else sys.stdin.read().encode("utf-8", "surrogateescape")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)
