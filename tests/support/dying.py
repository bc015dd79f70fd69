"""``python -m tests.support.dying POINT WORDS…``: ``codex-broker WORDS`` that dies at a named point.

A point is ``before NAME`` or ``after NAME``; it ends the process as ``kill -9`` would, with
nothing unwound and nothing flushed.
"""

import asyncio
import functools
import importlib
import os
import sys
from typing import Any
from unittest import mock

__all__ = ["CODE", "POINTS", "RESTORE_POINTS"]

CODE = 137

_PLACES = {
    "begin": "broker.admin.adoption:AdoptionOperations.account_adopt_begin",
    "keep": "broker.store.store:Store.keep_adopted",
    "rewrite": "broker.cli.adopting:_rewrite",
    "replace": "fetchtoken.files.atomic:os.replace",
    "finish": "broker.admin.adoption:AdoptionOperations.account_adopt_finish",
}

_RESTORE_PLACES = {
    "key file": "broker.ops.restore:keep_keyring",
    "schema": "broker.store.restoring:upgrade",
    "rows": "broker.store.restoring:load",
    "commit": "broker.ops.restore:_fill",
    "settings": "broker.ops.restore:make_home",
    "record": "broker.ops.restore:_begin",
}

POINTS = [f"{when} {name}" for name in _PLACES for when in ("before", "after")]
"""Every point of an adoption, in its order."""

RESTORE_POINTS = [f"{when} {name}" for name in _RESTORE_PLACES for when in ("before", "after")]
"""Every point of a restore, in its order; ``after rows`` is inside the transaction."""


def _dying(function: Any, when: str) -> Any:
    def die(*values: Any) -> None:
        # The journal's own files are replaced too; only the auth file's turn counts.
        if function is not os.replace or str(values[-1]).endswith("auth.json"):
            os._exit(CODE)

    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_turn(*values: Any, **named: Any) -> Any:
            if when == "before":
                die(*values)
            result = await function(*values, **named)
            die(*values)
            return result

        return in_turn

    @functools.wraps(function)
    def at_once(*values: Any, **named: Any) -> Any:
        if when == "before":
            die(*values)
        result = function(*values, **named)
        die(*values)
        return result

    return at_once


def main() -> int:
    """Run the command line with the point armed."""
    from broker.cli.entry import run

    when, _, name = sys.argv[1].partition(" ")
    module_name, _, path = {**_PLACES, **_RESTORE_PLACES}[name].partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    with mock.patch.object(owner, attribute, _dying(getattr(owner, attribute), when)):
        return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
