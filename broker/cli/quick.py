"""Bring in what the daemon is made of: a restart serves only when the last import is done."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["imports"]

_UNUSED = "rich"
"""Typer brings it along, and structlog loads it for a way of drawing tracebacks that is not ours."""

_MEANWHILE = {
    # aiohttp reads all the system's authorities, for clients that name none; ours do (broker.issuer.session).
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    # pydantic reads what every installed package says of itself, to find plugins.
    "PYDANTIC_DISABLE_PLUGINS": "1",
}


@contextmanager
def imports() -> Iterator[None]:
    """Import without what nobody uses, and without looking for garbage, of which imports make none.

    Together these are a sixth of a daemon's start. What was imported stays, so that no later
    collection needs to look at it either.
    """
    absent = _UNUSED not in sys.modules
    former = {name: os.environ.get(name) for name in _MEANWHILE}
    if absent:
        # To the import system None means: there is no such module.
        sys.modules[_UNUSED] = None  # type: ignore[assignment]
    os.environ |= _MEANWHILE
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if absent:
            del sys.modules[_UNUSED]
