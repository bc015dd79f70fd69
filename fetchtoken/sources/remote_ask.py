"""The cold half of the remote source: ask the broker, and keep what it says."""

from __future__ import annotations

from fetchtoken.domain.errors import Malformed, Unavailable
from fetchtoken.net.client import request as http_request
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.url import Url, parse_url
from fetchtoken.sources.copies import ask_or_copy
from fetchtoken.sources.remote_answer import problem, token_of

__all__ = ["ask", "token_url"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.secret import Secret
    from fetchtoken.domain.token import Token
    from fetchtoken.net.client import Response
    from fetchtoken.settings import Settings
    from fetchtoken.sources.cache import Copy
    from fetchtoken.sources.request import Request


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

    def broker(deadline_s: float) -> tuple[Token, str]:
        try:
            response = _get(url, settings, key, copy, deadline_s)
            return _judge(url, response, request, copy)
        except BadAnswer as error:
            raise Malformed(error.message, hint="check CODEX_REMOTE_URL") from None
        except Unavailable as error:
            error.hint = error.hint or "check CODEX_REMOTE_URL, or try again later"
            raise

    return ask_or_copy(broker, url.peer, request, path, copy)


def _get(url: Url, settings: Settings, key: Secret | None, copy: Copy | None, deadline_s: float) -> Response:
    headers = {"Accept": "application/json", "User-Agent": "codex-fetchtoken"}
    if key:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    if copy is not None and copy.etag:
        headers["If-None-Match"] = copy.etag
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
