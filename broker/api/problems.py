"""Errors as RFC 9457 problem documents, each with a ``code`` that programs act on."""

from http import HTTPStatus
from typing import Literal

from aiohttp import hdrs
from aiohttp.web import Response
from multidict import istr

from fetchtoken.domain.jsontext import dumps

__all__ = ["NO_STORE", "STATUS_OF", "X_REQUEST_ID", "Code", "ProblemError", "problem_response"]

Code = Literal[
    "account_disabled",
    "account_required",
    "content_too_large",
    "insufficient_scope",
    "internal_error",
    "invalid_request",
    "invalid_token",
    "login_required",
    "method_not_allowed",
    "misdirected_request",
    "not_found",
    "not_granted",
    "rate_limited",
    "sealed",
    "token_expiring",
    "unavailable",
]

STATUS_OF: dict[Code, int] = {
    "invalid_request": 400,
    "account_required": 400,
    "invalid_token": 401,
    "not_granted": 403,
    "account_disabled": 403,
    "insufficient_scope": 403,
    "not_found": 404,
    "method_not_allowed": 405,
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

NO_STORE: dict[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.SERVER: "codex-broker",
    istr("X-Content-Type-Options"): "nosniff",
}
"""Headers of every answer."""

X_REQUEST_ID = istr("X-Request-Id")
"""The header that names a request."""


class ProblemError(Exception):
    """Ends a request with a problem.

    Args:
        code: the word for programs; decides the status.
        detail: one sentence for people; never holds what the caller sent.
        headers: further headers, such as ``Retry-After``.
    """

    def __init__(self, code: Code, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code: Code = code
        self.detail = detail
        self.headers = headers or {}


def problem_response(problem: ProblemError, request_id: str) -> Response:
    """Return the answer for a problem."""
    status = STATUS_OF[problem.code]
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
    }
    headers: dict[str, str] = {
        **NO_STORE,
        hdrs.CONTENT_TYPE: "application/problem+json",
        X_REQUEST_ID: request_id,
        **problem.headers,
    }
    response = Response(body=dumps(document).encode(), status=status, headers=headers)
    if problem.code in ("content_too_large", "internal_error"):
        response.force_close()
    return response
