"""``doctor``."""

from __future__ import annotations

import time
from textwrap import wrap
from typing import Annotated

import typer

from fetchtoken.cli.caller import Caller, caller_of
from fetchtoken.cli.status import when
from fetchtoken.commands.doctor import Report, examine
from fetchtoken.commands.doctor_facts import Group
from fetchtoken.domain.errors import Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.output import printable
from fetchtoken.settings import Settings, load

__all__ = ["register"]

_WIDTH = 80
_WORDS = {True: "ok", False: "wrong", None: "unknown"}


def doctor(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Find every copy of each login here, and say which breaks next."""
    caller = caller_of(context)
    report = examine(*_settings(caller))
    if json:
        caller.print(dumps(report.to_json(), indent=2))
    else:
        caller.print("\n".join(_lines(report, caller.environ.get("HOME", ""), time.time())))
    if report.error is not None:
        raise report.error


def _settings(caller: Caller) -> tuple[Settings, Unsafe | None]:
    """Return the settings; where the project's files are refused, without them, and the refusal."""
    try:
        return caller.settings(), None
    except Unsafe as error:
        return load(caller.options, caller.environ, ""), error


def _lines(report: Report, home: str, now_s: float) -> list[str]:
    rows = [row for login in report.logins for row in _login_rows(login, now_s)]
    rows += [("checks", "")]
    rows += [(f"  {_WORDS[check.ok]}", check.detail) for check in report.checks]
    return [line for name, text in rows for line in _row(name, _short(text, home))]


def _login_rows(login: Group, now_s: float) -> list[tuple[str, str]]:
    newest = login.copies[0]
    kind = "login" if any(copy.token for copy in login.copies) else "access only"
    rows = [(f"{kind} of {login.who}, plan {login.known('plan_type') or 'unknown'}", "")]
    for copy in login.copies:
        mark = " (put aside)" if copy.disabled else " (older)" if copy.place in login.stale else ""
        rows.append(("  copy", f"{copy.tool}{mark}: {copy.place}"))
        rows += [("  ", f"the same file: {name}") for name in copy.also]
    rows.append(("  expires", when(newest.expires_at, now_s)))
    rows += [
        ("  refresh", f"by {copy.tool}: {copy.refreshes}")
        for number, copy in enumerate(login.copies)
        if copy.refreshing and copy.tool not in [other.tool for other in login.copies[:number]]
    ]
    if not login.refreshed_by:
        rows.append(("  refresh", "by nobody here"))
    at = f"{when(login.breaks_at, now_s)}: " if login.breaks_at is not None else "at an unknown time: "
    rows += [("  risk", login.risk)] * bool(login.risk)
    rows += [("  next", at + login.breaks), *[("  do", login.to_do)] * bool(login.to_do)]
    return rows


def _row(name: str, text: str) -> list[str]:
    """Return a row as lines: a name in a column of its own, the text beside it."""
    if not text:
        return [printable(name)]
    lines = wrap(printable(text), _WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    return [f"{name:11} {lines[0]}", *(f"{'':11} {line}" for line in lines[1:])]


def _short(text: str, home: str) -> str:
    return text.replace(f"{home}/", "~/") if home else text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
