"""Putting a new master key in force, operation by operation, so that a command can say how far it is."""

import sys
import time
from typing import Any

from broker.admin.wire import Caller

__all__ = ["rotate_keys"]

_EXCHANGES_END_WITHIN_S = 60.0
"""An exchange starts within 20 s and lasts 30 at most."""

_LOOK_AGAIN_S = 0.2


def rotate_keys(call: Caller, *, keep_old: bool) -> dict[str, Any]:
    """Put a new key in force, seal everything anew, retire what nothing needs any more.

    Interrupted anywhere, the same again goes on from there.

    Args:
        call: does the operations.
        keep_old: leave former keys in the key file.

    Returns:
        The key, its file, whether it is new, what was done and what is left.
    """
    begun = call("key_rotate")
    rewrapped, damaged = _rewrap(call, begun["boxes"])
    ended = {"retired": [], "kept": []} if keep_old else _retire(call)
    return {
        "key_id": begun["key_id"],
        "new": begun["new"],
        "key_file": begun["key_file"],
        "rewrapped": rewrapped,
        "damaged": damaged,
        "retired": ended["retired"],
        "kept": [{"key_id": key["key_id"], "needed_by": key["needed_by"]} for key in ended["kept"]],
    }


def _rewrap(call: Caller, boxes: int) -> tuple[int, list[str]]:
    """Go through the store until a round finds nothing to do; return how many boxes, and the damaged."""
    done = 0
    while True:
        before, damaged, after = done, [], ""
        while True:
            step = call("key_rewrap", after=after)
            done += step["rewrapped"]
            damaged += step["damaged"]
            after = step["after"]
            _tell(f"sealed anew: {done} of {max(boxes, done)}" if after else "")
            if not after:
                break
        if done == before:
            return done, damaged


def _retire(call: Caller) -> dict[str, Any]:
    """Retire former keys, once exchanges that began with one have ended."""
    end_s = time.monotonic() + _EXCHANGES_END_WITHIN_S
    retired: list[str] = []
    while True:
        ended = call("key_retire")
        retired += ended["retired"]
        waits = any(key["passing"] for key in ended["kept"])
        _tell("waiting for exchanges that began with a former key" if waits else "")
        if not waits or time.monotonic() > end_s:
            return {"retired": retired, "kept": ended["kept"]}
        time.sleep(_LOOK_AGAIN_S)


def _tell(line: str) -> None:
    """Show how far it is, in place, where a person looks on; empty for nothing more."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
