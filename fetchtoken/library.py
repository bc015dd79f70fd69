"""The command as a library: the same settings, sources and errors, nothing printed."""

from __future__ import annotations

import os
import time

from fetchtoken.options import Options
from fetchtoken.resolve import make_request, resolve
from fetchtoken.settings import load

__all__ = ["aget_token", "get_token"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token

_TIMEOUT_S = 30.0


def get_token(source: str | None = None, account: str | None = None, *, min_valid_s: int = 600) -> Token:
    """Return a valid access token; ``token.access_token.reveal()`` is the bearer.

    Args:
        source: ``local``, ``remote``, ``ssh`` or a comma list; by default what is configured.
        account: the account's name; by default what is configured.
        min_valid_s: seconds that the token must still live, 0 to 864000.

    Raises:
        FetchTokenError: one of its subclasses, as the command's exit codes.
    """
    started_at = time.time()
    deadline = time.monotonic() + _TIMEOUT_S
    options = Options(source=source, account=account, min_valid=str(min_valid_s))
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    settings = load(options, os.environ, cwd)
    request = make_request(settings, options, started_at=started_at, deadline=deadline, note=_unsaid)
    return resolve(settings, request)


def _unsaid(text: str) -> None:
    """Drop a note: a library does not write to its caller's terminal."""


async def aget_token(
    source: str | None = None, account: str | None = None, *, min_valid_s: int = 600
) -> Token:
    """Return what :func:`get_token` returns, from a thread; the event loop goes on meanwhile."""
    import asyncio

    return await asyncio.to_thread(get_token, source, account, min_valid_s=min_valid_s)
