"""Requests to the issuer and its answers: a pure codec (RFC 6749 §6, as the Codex CLI speaks it)."""

from __future__ import annotations

from dataclasses import dataclass

from fetchtoken import __version__
from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.domain.secret import Secret

__all__ = [
    "ISSUER",
    "JSON_HEADERS",
    "OAUTH_CLIENT_ID",
    "TokenSet",
    "error_code",
    "json_object",
    "parse_tokens",
    "refresh_body",
    "revoke_body",
]

ISSUER = "https://auth.openai.com"
OAUTH_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The Codex CLI's own client id; a login made by another client names its id in the file."""

JSON_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": f"codex-token-broker/{__version__}",
}
"""Codex sends a ``User-Agent`` too; a request without one looks like a robot to a bot wall."""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a 2xx answer brought; ``None`` means that the old value stays."""

    access_token: Secret | None
    refresh_token: Secret | None
    id_token: Secret | None


def refresh_body(refresh_token: Secret, *, client_id: str, reason: str) -> bytes:
    """Return the JSON body of an exchange.

    Args:
        refresh_token: the token to spend.
        client_id: the OAuth client that the login belongs to.
        reason: Codex's ``refresh_reason``: ``proactive_expiry``, ``scheduled`` or ``forced``.
    """
    return dumps(
        {
            "client_id": client_id,
            "grant_type": "refresh_token",
            "refresh_reason": reason,
            "refresh_token": refresh_token.reveal(),
        }
    ).encode()


def revoke_body(token: Secret, *, hint: str, client_id: str) -> bytes:
    """Return the JSON body of a revocation (RFC 7009 §2.1).

    Args:
        token: the token to revoke.
        hint: ``refresh_token`` or ``access_token``.
        client_id: the OAuth client that the login belongs to.
    """
    return dumps({"token": token.reveal(), "token_type_hint": hint, "client_id": client_id}).encode()


def json_object(body: bytes) -> dict[str, object] | None:
    """Return the body as a JSON object, or ``None`` where it is none."""
    try:
        value = loads(body.decode("utf-8-sig"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def parse_tokens(body: bytes) -> TokenSet:
    """Read the three fields that matter; anything unusable counts as absent.

    An id token that is no JWT is absent too: Codex would refuse the whole file for it.
    """
    table = json_object(body) or {}
    id_token = _token(table, "id_token")
    if id_token is not None and decode_claims(id_token.reveal()) is None:
        id_token = None
    return TokenSet(_token(table, "access_token"), _token(table, "refresh_token"), id_token)


def _token(table: dict[str, object], key: str) -> Secret | None:
    value = table.get(key)
    if not isinstance(value, str):
        return None
    text = value.strip()
    # A bearer with inner white space or control characters could not be sent in a header.
    return Secret(text) if text and text.isascii() and text.isprintable() and " " not in text else None


def error_code(body: bytes) -> str:
    """Return the error word from ``error.code``, ``error`` as a text, or ``code``; lower case."""
    table = json_object(body) or {}
    error = table.get("error")
    candidates = (error.get("code") if isinstance(error, dict) else error, table.get("code"))
    for value in candidates:
        if isinstance(value, str) and (word := value.strip()):
            return word.lower()[:64]
    return ""
