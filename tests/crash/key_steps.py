"""``python -m tests.crash.key_steps STEP FAULT``: ``codex-broker key rotate`` that fails at a step.

A step is ``before NAME`` or ``after NAME``. ``kill`` ends the process with nothing unwound and nothing
flushed; ``ENOSPC`` and ``EIO`` are raised, once, and the same process then tries again, as a daemon
would at the next order.
"""

import asyncio
import errno
import functools
import importlib
import os
import sys
from typing import Any

from broker.cli.place import Place
from broker.cli.rotating import rotate_keys
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["CODE", "STEPS"]

CODE = 137

STEPS = {
    "announced": ("broker.admin.keys:KeyOperations._note", 1),
    "key file replaced": ("fetchtoken.files.atomic:os.replace", 1),
    "key file durable": ("fetchtoken.files.atomic:fsync_dir", 1),
    "in force": ("broker.seal.keyring:Keyring.take", 1),
    "store's key sealed anew": ("broker.admin.keys:rewrap_some", 1),
    "accounts sealed anew": ("broker.admin.keys:rewrap_some", 2),
    "old key out of the file": ("fetchtoken.files.atomic:os.replace", 2),
    "old key durably out": ("fetchtoken.files.atomic:fsync_dir", 2),
    "old key forgotten": ("broker.seal.keyring:Keyring.take", 2),
}
"""Where they are, and in the how manieth call from the beginning of the rotation."""


def _strike(fault: str) -> None:
    if fault == "kill":
        os._exit(CODE)
    number = getattr(errno, fault)
    raise OSError(number, os.strerror(number))


def _failing(function: Any, number: int, when: str, fault: str) -> Any:
    calls = 0

    def its_turn(at: str) -> bool:
        nonlocal calls
        calls += at == "before"
        return calls == number and when == at

    @functools.wraps(function)
    async def in_turn(*values: Any, **named: Any) -> Any:
        if its_turn("before"):
            _strike(fault)
        result = await function(*values, **named)
        if its_turn("after"):
            _strike(fault)
        return result

    @functools.wraps(function)
    def at_once(*values: Any, **named: Any) -> Any:
        if its_turn("before"):
            _strike(fault)
        result = function(*values, **named)
        if its_turn("after"):
            _strike(fault)
        return result

    return in_turn if asyncio.iscoroutinefunction(function) else at_once


def _arm(step: str, fault: str) -> None:
    when, _, name = step.partition(" ")
    place, number = STEPS[name]
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, attribute, _failing(getattr(owner, attribute), number, when, fault))


def main() -> int:
    """Rotate with the step armed; after an error, once more in the same process."""
    with Place().session() as call:
        _arm(*sys.argv[1:])
        try:
            rotate_keys(call, keep_old=False)
        except (FetchTokenError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            rotate_keys(call, keep_old=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
