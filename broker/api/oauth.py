"""What the OAuth routes have in common."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs
from aiohttp.web import Response

from broker.api.call import Call
from broker.api.problems import NO_STORE, X_REQUEST_ID
from fetchtoken.domain.jsontext import dumps

__all__ = ["TEXTS", "Fields", "Grant", "answered"]

TEXTS = frozenset({"actor_token", "audience", "requested_token_type", "resource", "scope"})
"""Fields that narrow what is asked for: a list in one of them must not be passed over (RFC 8693 §2.1)."""

Fields = Mapping[str, str]
"""What a request says."""

Grant = Callable[[Call, Fields], Awaitable[Response]]
"""Answers requests of one ``grant_type``."""


def answered(call: Call, document: dict[str, object]) -> Response:
    """Return a 200 that nobody keeps (RFC 6749 §5.1)."""
    headers = {
        **NO_STORE,
        hdrs.CONTENT_TYPE: "application/json",
        hdrs.PRAGMA: "no-cache",
        X_REQUEST_ID: call.request_id,
    }
    return Response(body=dumps(document).encode(), headers=headers)
