"""How the command speaks: data to stdout, notes and errors to stderr, never a secret by accident."""

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from broker.domain.columns import pair_lines, table_lines
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["bug", "data", "error", "note", "pairs", "printable", "table", "tell", "usage_error", "value"]

PROGRAM = "codex-broker"


def data(line: str) -> None:
    """Print one line of data."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def value(document: Any) -> None:
    """Print one JSON value."""
    data(json.dumps(document, indent=2, ensure_ascii=False))


def note(line: str) -> None:
    """Print one line for the person."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tell(text: str) -> None:
    """Print something for the person as it is; where nobody listens, go on."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows as aligned text.

    Args:
        rows: what to print; with none, nothing is printed.
        columns: heading for each key, in order.
    """
    if not rows:
        return
    for line in table_lines(rows, columns):
        data(line)


def pairs(document: Mapping[str, Any]) -> None:
    """Print one record as ``key: value`` lines."""
    for line in pair_lines(document):
        data(line)


def printable(text: str) -> str:
    """Return a text with what a terminal would act on written as escapes."""
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)


def error(problem: FetchTokenError, *, verbose: bool) -> int:
    """Say what happened and what to do about it; return the exit code."""
    note(f"{PROGRAM}: {problem.message}")
    if problem.hint:
        note(f"hint: {problem.hint}")
    if verbose:
        note(_frames(problem))
    return problem.exit_code


def usage_error(message: str, command: str) -> int:
    """Say that the command line is not understood; return the exit code."""
    note(f"{PROGRAM}: {message}")
    note(f"hint: {command} --help")
    return 2


def bug(problem: BaseException, *, verbose: bool) -> int:
    """Say that this is a bug of ours; return the exit code.

    The message of an unexpected error is not shown: nobody has checked it for secrets.
    """
    note(f"{PROGRAM}: unexpected {type(problem).__name__}; this is a bug, please report it")
    note("hint: run it again as codex-broker --verbose … and send the lines that it prints")
    if verbose:
        note(_frames(problem))
    return 1


def _frames(problem: BaseException) -> str:
    """Return where it happened, without messages, source values or locals."""
    return "".join(traceback.format_tb(problem.__traceback__)).rstrip()
