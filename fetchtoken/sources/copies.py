"""What a copy is good for when the other side is asked: to stand in for it, or to be replaced or deleted."""

from __future__ import annotations

import time

from fetchtoken.domain.errors import Denied, Unavailable
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.sources.cache import Copy, forget, lives, write_copy

__all__ = ["ask_or_copy"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fetchtoken.domain.token import Token
    from fetchtoken.sources.request import Request

_PATIENCE_S = 3.0
"""How long to wait for the other side while a copy would do: Codex gives its token command five seconds."""


def ask_or_copy(
    ask: Callable[[float], tuple[Token, str]], peer: str, request: Request, path: str, copy: Copy | None
) -> Token:
    """Return what the other side gives and keep a copy of it, or return the copy where it is not there.

    Args:
        ask: takes the deadline on the monotonic clock; returns a token and its entity tag.
        peer: who is asked, for messages.
        request: what is demanded.
        path: the file of the copy.
        copy: the copy, where there is one to fall back on.

    Raises:
        Denied: the other side refuses; the copy is deleted.
        Unavailable: it is not there and no copy will do, or its token is too short-lived.
        FetchTokenError: what else ``ask`` raises.
    """
    usable = copy if copy is not None and lives(copy.token, request, time.time()) else None
    deadline_s = request.deadline
    if usable is not None:
        deadline_s = min(deadline_s, time.monotonic() + _PATIENCE_S)
    try:
        token, etag = ask(deadline_s)
    except Denied as error:
        if not forget(path):
            request.note(f"{path} cannot be deleted")
        raise error from None
    except Unavailable as error:
        if usable is None:
            raise error from None
        request.note(f"{error.message}; the copy of {_ago(usable)} is used")
        return usable.token
    if not request.no_cache:
        _keep(path, Copy(token, etag, time.time()), request)
    if lives(token, request, time.time()):
        return token
    raise _too_short(peer, token)


def _keep(path: str, copy: Copy, request: Request) -> None:
    try:
        write_copy(path, copy)
    except OSError as error:
        request.note(f"no copy is kept: {error.filename or path}: {error.strerror}")


def _ago(copy: Copy) -> str:
    seconds = int(time.time() - copy.checked_at)
    return (
        f"{seconds} s ago" if 0 <= seconds < 600 else f"{seconds // 60} min ago" if seconds > 0 else "earlier"
    )


def _too_short(peer: str, token: Token) -> Unavailable:
    left_s = int(token.seconds_left(time.time()))
    if left_s < CODEX_WINDOW_S:
        return Unavailable(f"{peer} gave an expired token", hint="check the clocks of both machines")
    return Unavailable(f"{peer} gives only {left_s} s", hint="--min-valid 0")
