"""Which accounts a broker serves to this machine's key: names, states and expiries, no tokens."""

from __future__ import annotations

from fetchtoken.domain.errors import Malformed, Unavailable
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.net.client import request as http_request
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.url import Url, parse_url
from fetchtoken.oauth.messages import json_object
from fetchtoken.settings import Settings
from fetchtoken.sources.remote_answer import problem
from fetchtoken.sources.request import Request

__all__ = ["Served", "accounts_url", "fetch_accounts"]

_LONGEST = 256
_MOST = 10_000


class Served:
    """One account as the broker tells of it; texts are empty where it does not say.

    Args:
        row: an element of its answer.
    """

    __slots__ = ("account_id", "disabled", "expires_at", "name", "plan_type", "state")

    def __init__(self, row: dict[str, object]) -> None:
        self.name, self.account_id, self.plan_type, self.state = (
            _text(row.get(key)) for key in ("account", "account_id", "plan_type", "state")
        )
        self.disabled = row.get("disabled") is True
        self.expires_at = parse_rfc3339(row.get("expires_at"))


def accounts_url(base: str) -> Url:
    """Return where a broker lists its accounts.

    Args:
        base: ``CODEX_REMOTE_URL``: the broker, or its ``/codex``, with or without a slash at the end.

    Raises:
        ConfigError: the URL is none.
    """
    url = parse_url(base, "CODEX_REMOTE_URL")
    return url.with_path(url.path.rstrip("/").removesuffix("/codex") + "/v1/accounts")


def fetch_accounts(settings: Settings, request: Request) -> list[Served]:
    """Ask the broker.

    Raises:
        FetchTokenError: as the remote source raises.
    """
    key = settings.api_key
    url = accounts_url(settings.remote_url)
    headers = {"Accept": "application/json", "User-Agent": "codex-fetchtoken"}
    if key:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    try:
        response = http_request(
            "GET",
            url,
            headers=headers,
            deadline_s=request.deadline,
            ca_file=settings.ca_file or settings.codex_ca_certificate or None,
            client_cert=settings.client_cert or None,
            client_key=settings.client_key or None,
            environ=settings.environ,
        )
    except BadAnswer as error:
        raise Malformed(error.message, hint="check CODEX_REMOTE_URL") from None
    except Unavailable as error:
        error.hint = error.hint or "check CODEX_REMOTE_URL, or try again later"
        raise
    if not response.complete:
        raise Unavailable(f"{url.peer} broke off in mid-answer", hint="try again")
    if response.status != 200:
        raise problem(url.peer, response, "")
    rows = (json_object(response.body) or {}).get("accounts")
    if not isinstance(rows, list) or len(rows) > _MOST or not all(isinstance(row, dict) for row in rows):
        raise Malformed(f"{url.peer} answered something that is no list", hint="check CODEX_REMOTE_URL")
    return [Served(row) for row in rows]


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST else ""
