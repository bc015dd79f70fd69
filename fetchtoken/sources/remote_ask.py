"""The cold half of the remote source: ask the broker, and keep what it says."""

from __future__ import annotations

import time

from fetchtoken.domain.errors import Denied, Malformed, Unavailable
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.net.client import request as http_request
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.url import Url, parse_url
from fetchtoken.sources.cache import Copy, forget, write_copy
from fetchtoken.sources.remote import lives
from fetchtoken.sources.remote_answer import problem, token_of

__all__ = ["ask", "token_url"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.secret import Secret
    from fetchtoken.domain.token import Token
    from fetchtoken.net.client import Response
    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request

_PATIENCE_S = 3.0
"""How long to wait for a broker while a copy would do: Codex gives its token command five seconds."""


def token_url(base: str, account: str, min_valid_s: int) -> Url:
    """Return where a token is asked for.

    Args:
        base: ``CODEX_REMOTE_URL``: the broker, or its ``/codex``, with or without a slash at the end.
        account: the account's name, or an empty string for the broker's default.
        min_valid_s: the caller's demand in seconds.

    Raises:
        ConfigError: the URL is none.
    """
    url = parse_url(base, "CODEX_REMOTE_URL")
    path = url.path.rstrip("/")
    path = path if path.endswith("/codex") else path + "/codex"
    return url.with_path(
        f"{path}/{account}?min_valid={min_valid_s}" if account else f"{path}?min_valid={min_valid_s}"
    )


def ask(settings: Settings, request: Request, key: Secret | None, path: str, copy: Copy | None) -> Token:
    """Return the broker's token and keep a copy of it.

    Args:
        settings: where the broker is and how it is spoken to.
        request: what is demanded.
        key: the API key, if there is one.
        path: the file of the copy.
        copy: the copy, where there is one to fall back on.

    Raises:
        FetchTokenError: as for :func:`fetchtoken.sources.remote.fetch`.
    """
    url = token_url(settings.remote_url, request.account, request.min_valid_s)
    usable = copy if copy is not None and lives(copy.token, request, time.time()) else None
    try:
        response = _get(url, settings, request, key, copy, patient=usable is None)
        token, etag = _judge(url, response, request, copy)
    except Denied as error:
        if not forget(path):
            request.note(f"{path} cannot be deleted")
        raise error from None
    except BadAnswer as error:
        raise Malformed(error.message, hint="check CODEX_REMOTE_URL") from None
    except Unavailable as error:
        if usable is None:
            error.hint = error.hint or "check CODEX_REMOTE_URL, or try again later"
            raise error from None
        request.note(f"{error.message}; the copy of {_ago(usable)} is used")
        return usable.token
    if not request.no_cache:
        _keep(path, Copy(token, etag, time.time()), request)
    if lives(token, request, time.time()):
        return token
    raise _too_short(url, token)


def _get(  # noqa: PLR0913 - one call's worth
    url: Url, settings: Settings, request: Request, key: Secret | None, copy: Copy | None, *, patient: bool
) -> Response:
    headers = {"Accept": "application/json", "User-Agent": "codex-fetchtoken"}
    if key:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    if copy is not None and copy.etag:
        headers["If-None-Match"] = copy.etag
    deadline_s = request.deadline if patient else min(request.deadline, time.monotonic() + _PATIENCE_S)
    return http_request(
        "GET",
        url,
        headers=headers,
        deadline_s=deadline_s,
        ca_file=settings.ca_file or settings.codex_ca_certificate or None,
        client_cert=settings.client_cert or None,
        client_key=settings.client_key or None,
        environ=settings.environ,
    )


def _judge(url: Url, response: Response, request: Request, copy: Copy | None) -> tuple[Token, str]:
    """Return the token that an answer stands for, with its entity tag."""
    if not response.complete:
        raise Unavailable(f"{url.peer} broke off in mid-answer", hint="try again")
    if response.status == 304 and copy is not None and copy.etag:
        return copy.token, copy.etag
    if response.status != 200:
        raise problem(url.peer, response, request.account)
    return token_of(url.peer, response, request.account)


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


def _too_short(url: Url, token: Token) -> Unavailable:
    left_s = int(token.seconds_left(time.time()))
    if left_s < CODEX_WINDOW_S:
        return Unavailable(f"{url.peer} gave an expired token", hint="check the clocks of both machines")
    return Unavailable(f"{url.peer} gives only {left_s} s", hint="--min-valid 0")
