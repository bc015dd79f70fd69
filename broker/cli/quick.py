"""Bring in what the daemon is made of: a restart serves only when the last import is done."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["imports"]

_UNUSED = "rich"
"""Typer brings it along, and structlog loads it for a way of drawing tracebacks that is not ours."""


@contextmanager
def imports() -> Iterator[None]:
    """Import without what nobody uses, and without looking for garbage, of which imports make none.

    Together these are an eighth of a daemon's start. What was imported stays, so that no later
    collection needs to look at it either.
    """
    absent = _UNUSED not in sys.modules
    if absent:
        # To the import system None means: there is no such module.
        sys.modules[_UNUSED] = None  # type: ignore[assignment]
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        if absent:
            del sys.modules[_UNUSED]
