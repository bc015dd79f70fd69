"""What travels over ``admin.sock``: JSON there, a result or the error tree back."""

from typing import Any, Protocol

from fetchtoken.domain import errors
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["PATH", "Actor", "Caller", "Operations", "from_problem", "to_problem"]

PATH = "/v1/admin/"
"""Prefix of every operation's path."""

_BY_CODE: dict[int, type[FetchTokenError]] = {
    kind.exit_code: kind for kind in (getattr(errors, name) for name in errors.__all__)
}


class Actor:
    """Who asks, for the audit record.

    Args:
        peer: ``uid:0 pid:4711``.
        request_id: the same word in the log and in the audit record.
    """

    __slots__ = ("peer", "request_id")

    def __init__(self, peer: str, request_id: str) -> None:
        self.peer = peer
        self.request_id = request_id


class Operations(Protocol):
    """The one service behind every administrative command."""

    async def call(self, operation: str, params: dict[str, Any], actor: Actor) -> Any:
        """Do it and return a JSON value.

        Raises:
            FetchTokenError: it was not done; the class says why.
        """


class Caller(Protocol):
    """How a command reaches that service."""

    def __call__(self, operation: str, /, **params: Any) -> Any:
        """Do the operation and return its JSON value, or raise its error."""


def to_problem(error: FetchTokenError) -> dict[str, Any]:
    """Return an error as a problem document (RFC 9457)."""
    return {
        "title": type(error).__name__,
        "detail": error.message,
        "hint": error.hint,
        "code": error.code,
        "exit_code": error.exit_code,
    }


def from_problem(document: dict[str, Any]) -> FetchTokenError:
    """Return the error that a problem document stands for."""
    kind = _BY_CODE.get(document.get("exit_code", 1), FetchTokenError)
    return kind(
        str(document.get("detail", "the broker failed")),
        hint=str(document.get("hint", "")),
        code=str(document.get("code", "")),
    )
