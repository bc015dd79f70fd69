"""Why a caller does not get what it asks for, as a word for programs and a sentence for people."""

from typing import Literal

__all__ = ["Code", "Refused"]

Code = Literal[
    "access_denied",
    "account_disabled",
    "account_required",
    "authorization_pending",
    "expired_token",
    "insufficient_scope",
    "internal_error",
    "invalid_grant",
    "invalid_request",
    "invalid_target",
    "invalid_token",
    "login_required",
    "not_granted",
    "rate_limited",
    "refresh_token_expired",
    "refresh_token_invalidated",
    "sealed",
    "slow_down",
    "token_expiring",
    "too_many_machines",
    "unavailable",
    "unsupported_grant_type",
    "content_too_large",
    "method_not_allowed",
    "misdirected_request",
    "not_found",
]
"""Words of the contract; those of grants, targets, device logins and refresh tokens are OAuth's, the last
four of HTTP."""


class Refused(Exception):
    """Ends a request.

    Args:
        code: the word for programs.
        detail: one sentence for people; never holds what the caller sent.
        retry_after_s: when asking again may help, where that is known.
    """

    def __init__(self, code: Code, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
