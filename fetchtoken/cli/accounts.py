"""``accounts``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands.accounts import Row, list_accounts
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.output import printable
from fetchtoken.sources.local import LOGIN_HINT

__all__ = ["register"]

_HEAD = ("ACCOUNT", "E-MAIL", "PLAN", "EXPIRES", "REFRESHED BY")


def accounts(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False
) -> None:
    """List the accounts, and what is wrong with them.

    With --source remote those that the broker serves to this machine's key. A star marks the one in
    use.
    """
    caller = caller_of(context)
    settings = caller.settings()
    rows, error = list_accounts(settings, caller.stderr.note)
    if json:
        caller.print(dumps([row.to_json() for row in rows], indent=2))
    elif rows:
        _print_table([_HEAD, *map(_cells, rows)], caller.print)
        for row in rows:
            for text in [*row.notes, *([row.problem.message] if row.problem else [])]:
                name = row.name or "the default login"
                caller.stderr.note(text if row.place in text else f"{name}: {text}")
    elif error is None:
        caller.stderr.note(f"there is no login yet: {LOGIN_HINT}")
    if error is not None:
        raise error


def _cells(row: Row) -> tuple[str, ...]:
    name = f"* {row.name or 'the default'}" if row.in_use else row.name
    expires = "" if row.expires_at is None else to_rfc3339(row.expires_at)
    return (name, row.email, row.plan_type, expires, row.refreshed_by)


def _print_table(lines: list[tuple[str, ...]], out: Callable[[str], None]) -> None:
    shown = [[printable(text) or "-" for text in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        row = "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        out(row.rstrip())


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(accounts)
