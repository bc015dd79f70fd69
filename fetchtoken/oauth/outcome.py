"""What an exchange came to: judged by the phase it reached, never by an exception's class.

=============================================================  =========
what happened                                                  kind
=============================================================  =========
nothing, or less than the whole request, was handed over       not_sent
2xx with an access token                                       tokens
a spent, expired or revoked refresh token, or any other 401    refused
a complete 3xx, other 4xx, 429 or 503                          try_later
no answer, a torn one, other 5xx, 2xx without an access token  unknown
=============================================================  =========
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from enum import StrEnum

from fetchtoken.oauth.messages import TokenSet, error_code, parse_tokens

__all__ = ["Answer", "Kind", "Outcome", "classify"]

_REFUSALS = frozenset(
    {"refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "invalid_grant"}
)
_LONGEST_RETRY_AFTER_S = 86_400.0
_KEPT_HEADERS = ("content-type", "date", "location", "retry-after")


@dataclass(frozen=True, slots=True)
class Answer:
    """The raw result of one attempt, as it is journalled before anyone judges it."""

    sent: bool
    """Whether the whole request was handed over."""
    status: int | None = None
    """HTTP status; ``None`` where no complete head came."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    complete: bool = False
    """Whether the body came to its end."""
    reason: str = ""
    """Why nothing was sent or came, for people."""

    def to_json(self) -> dict[str, object]:
        """Return a JSON-able copy. It holds secrets."""
        return {
            "sent": self.sent,
            "status": self.status,
            "headers": {k: v for k, v in self.headers.items() if k in _KEPT_HEADERS},
            "body": b64encode(self.body).decode(),
            "complete": self.complete,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Answer:
        """Read back what :meth:`to_json` wrote.

        Raises:
            ValueError: it is not such a record.
        """
        status, headers, body = value.get("status"), value.get("headers"), value.get("body")
        if not isinstance(headers, dict) or not isinstance(body, str):
            raise ValueError("not an answer record")  # noqa: TRY004 - damage in a file, not a bad call
        if status is not None and not isinstance(status, int):
            raise ValueError("not an answer record")
        return cls(
            sent=value.get("sent") is True,
            status=status,
            headers={str(k): str(v) for k, v in headers.items()},
            body=b64decode(body, validate=True),
            complete=value.get("complete") is True,
            reason=str(value.get("reason", "")),
        )


class Kind(StrEnum):
    """The five classes that the account machine knows."""

    NOT_SENT = "not_sent"
    TOKENS = "tokens"
    REFUSED = "refused"
    TRY_LATER = "try_later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, judged."""

    kind: Kind
    code: str = ""
    """The issuer's error word, or the HTTP status as ``http_503``."""
    detail: str = ""
    """One line for people; never the issuer's own text."""
    retry_after_s: float | None = None
    tokens: TokenSet | None = None
    """What the answer brought; with ``unknown`` it may hold a refresh token without an access token."""


def classify(answer: Answer, *, now_s: float) -> Outcome:
    """Judge a raw answer.

    Args:
        answer: what the exchange process journalled.
        now_s: epoch seconds, to read a ``Retry-After`` date (RFC 9110 §10.2.3).
    """
    if not answer.sent:
        return Outcome(Kind.NOT_SENT, "not_sent", answer.reason or "nothing was sent")
    if answer.status is None:
        return Outcome(Kind.UNKNOWN, "no_answer", answer.reason or "no answer came")
    status = answer.status
    word = f"http_{status}"
    if 200 <= status < 300:
        tokens = parse_tokens(answer.body)
        if tokens.access_token is not None:
            return Outcome(Kind.TOKENS, tokens=tokens)
        kept = tokens if tokens.refresh_token is not None else None
        return Outcome(Kind.UNKNOWN, word, f"status {status} without an access token", tokens=kept)
    if not answer.complete:
        return Outcome(Kind.UNKNOWN, "torn_answer", f"the answer (status {status}) was cut off")
    code = error_code(answer.body)
    if status == 401 or (status in (400, 403) and code in _REFUSALS):
        return Outcome(Kind.REFUSED, code if code in _REFUSALS else word, f"status {status}")
    if 300 <= status < 500 or status == 503:
        wait_s = _retry_after_s(answer.headers.get("retry-after", ""), now_s)
        return Outcome(Kind.TRY_LATER, word, f"status {status}", retry_after_s=wait_s)
    return Outcome(Kind.UNKNOWN, word, f"status {status}")


def _retry_after_s(text: str, now_s: float) -> float | None:
    """Return the seconds to wait that a ``Retry-After`` field names, at most a day."""
    value = text.strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        # Half of the exchange process's start-up, for a header that hardly ever holds a date.
        from datetime import UTC
        from email.utils import parsedate_to_datetime

        try:
            date = parsedate_to_datetime(value)
            # Without a zone it is GMT as well (RFC 9110 §5.6.7), never this machine's own time.
            seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now_s
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)
