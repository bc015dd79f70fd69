"""``status``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands.status import View, view_all
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps

__all__ = ["register", "when"]

_DAY_S = 86_400


def status(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Say where a token comes from, who refreshes it, what is wrong."""
    caller = caller_of(context)
    views, error = view_all(caller.settings())
    now_s = time.time()
    if json:
        code = error.exit_code if error else 0
        caller.print(dumps({"exit_code": code, "sources": [view.to_json(now_s) for view in views]}, indent=2))
    else:
        for view in views:
            caller.print("\n".join(_lines(view, now_s)))
    if error is not None:
        raise error


def _lines(view: View, now_s: float) -> list[str]:
    lines = [f"{view.source}: {view.place}" if view.place else view.source]
    token = view.token
    if token is not None:
        lines.append(f"  account   {token.account or 'the default'} ({token.account_id or 'id unknown'})")
        lines.append(f"  plan      {token.plan_type or 'unknown'}")
        lines.append(f"  expires   {when(token.expires_at, now_s)}")
    if view.refreshed_by:
        due = f", due {when(view.refresh_after, now_s)}" if view.refresh_after is not None else ""
        lines.append(f"  refresh   by {view.refreshed_by}{due}")
    lines += [f"  note      {text}" for text in view.notes]
    if view.error is not None:
        lines.append(f"  problem   {view.error.message}")
    return lines


def when(at_s: float | None, now_s: float) -> str:
    """Return a time with its distance from now."""
    if at_s is None:
        return "unknown"
    distance_s = abs(int(at_s - now_s))
    days, rest = divmod(distance_s, _DAY_S)
    text = f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"
    return f"{to_rfc3339(at_s)} ({f'in {text}' if at_s >= now_s else f'{text} ago'})"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)
