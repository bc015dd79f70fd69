"""Errors as RFC 9457 problem documents, each with a ``code`` that programs act on."""

from http import HTTPStatus

from aiohttp import hdrs
from aiohttp.web import Response
from multidict import istr

from broker.access.refused import Code, Refused
from fetchtoken.domain.jsontext import dumps

__all__ = [
    "CHALLENGE",
    "NO_STORE",
    "OAUTH_WORDS",
    "STATUS_OF",
    "X_REQUEST_ID",
    "Code",
    "ProblemError",
    "no_store",
    "problem_response",
]

STATUS_OF: dict[Code, int] = {
    "invalid_request": 400,
    "account_required": 400,
    "invalid_target": 400,
    "invalid_grant": 400,
    "unsupported_grant_type": 400,
    "invalid_token": 401,
    "refresh_token_expired": 401,
    "refresh_token_invalidated": 401,
    "not_granted": 403,
    "account_disabled": 403,
    "insufficient_scope": 403,
    "authorization_pending": 403,
    "slow_down": 403,
    "too_many_machines": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "access_denied": 410,
    "expired_token": 410,
    "content_too_large": 413,
    "misdirected_request": 421,
    "rate_limited": 429,
    "internal_error": 500,
    "sealed": 503,
    "login_required": 503,
    "unavailable": 503,
    "token_expiring": 503,
}
"""The status that each code is answered with."""

OAUTH_WORDS: dict[Code, Code] = {
    "account_required": "invalid_target",
    "not_granted": "invalid_target",
    "insufficient_scope": "invalid_request",
    "invalid_token": "invalid_request",
    "too_many_machines": "invalid_request",
}
"""What OAuth calls a problem where it has another word (RFC 8693 §2.2.2)."""

NO_STORE: dict[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.SERVER: "codex-broker",
    istr("X-Content-Type-Options"): "nosniff",
}
"""Headers of every answer."""

X_REQUEST_ID = istr("X-Request-Id")
"""The header that names a request."""


CHALLENGE = 'Bearer realm="codex-broker"'
_CHALLENGES: dict[Code, str] = {
    "invalid_token": f'{CHALLENGE}, error="invalid_token"',
    "insufficient_scope": f'{CHALLENGE}, error="insufficient_scope", scope="token"',
}
"""``WWW-Authenticate`` of a refusal (RFC 6750 §3.1), unless its own headers say otherwise."""


class ProblemError(Refused):
    """Ends a request over HTTP with a problem.

    Args:
        code: the word for programs; decides the status.
        detail: one sentence for people; never holds what the caller sent.
        headers: further headers, such as ``Allow``.
    """

    def __init__(self, code: Code, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code, detail)
        self.headers = headers or {}


def no_store() -> Refused:
    """Return the refusal where the store does not answer, and nothing was done."""
    return Refused("unavailable", "the store does not answer", retry_after_s=5)


def problem_response(problem: Refused, request_id: str, *, oauth: bool = False) -> Response:
    """Return the answer for a refusal.

    Args:
        problem: why.
        request_id: of the request.
        oauth: say it in the words of RFC 6749 §5.2 as well, for clients that know no others.
    """
    status = STATUS_OF[problem.code]
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
    }
    if oauth:
        word = OAUTH_WORDS.get(problem.code, problem.code)
        document |= {"error": word, "error_description": problem.detail}
    headers: dict[str, str] = {**NO_STORE, hdrs.CONTENT_TYPE: "application/problem+json"}
    headers[X_REQUEST_ID] = request_id
    if problem.code in _CHALLENGES:
        headers[hdrs.WWW_AUTHENTICATE] = _CHALLENGES[problem.code]
    if problem.retry_after_s is not None:
        headers[hdrs.RETRY_AFTER] = str(problem.retry_after_s)
    if isinstance(problem, ProblemError):
        headers |= problem.headers
    response = Response(body=dumps(document).encode(), status=status, headers=headers)
    if problem.code in ("content_too_large", "internal_error"):
        response.force_close()
    return response
