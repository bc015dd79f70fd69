"""The token in another program's JSON: a broker's, or that of the command on another host. Pure."""

from __future__ import annotations

from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.errors import Malformed
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.token import Token

__all__ = ["token_in"]

_LONGEST_TOKEN = 64 * 1024
_LONGEST_TEXT = 256


def token_in(body: bytes, peer: str, account: str, *, source: str, hint: str) -> Token:
    """Return the token that a JSON object holds; what else it holds is dropped.

    Args:
        body: one JSON object, with the fields of contract §4 or those of ``--format json``.
        peer: who answered, for messages.
        account: the name that was asked for, or an empty string.
        source: which source it comes from.
        hint: what to do where it is no such answer.

    Raises:
        Malformed: it is no token, is another account's, or does not say when it expires.
    """
    document = _document(body)
    if document is None:
        raise Malformed(f"{peer} answered something that is not JSON", hint=hint)
    held = document.get("tokens")
    tokens: dict[str, object] = held if isinstance(held, dict) else {}
    bearer = document.get("access_token", tokens.get("access_token"))
    if not isinstance(bearer, str) or not _is_bearer(bearer):
        raise Malformed(f"{peer} answered without an access token", hint=hint)
    id_token = tokens.get("id_token")
    texts = {key: _text(document.get(key)) for key in ("account", "account_id", "plan_type")}
    for key, text in texts.items():
        if text is None:
            raise Malformed(f"{peer} answered with an odd {key}", hint=hint)
    token = Token.from_jwt(
        bearer,
        id_token=id_token if isinstance(id_token, str) and decode_claims(id_token) is not None else "",
        account_id=texts["account_id"] or "",
        account=texts["account"] or account,
        source=source,
    )
    token.plan_type = texts["plan_type"] or token.plan_type
    if account and token.account != account:
        raise Malformed(f"{peer} answered with the token of another account than {account}", hint=hint)
    if token.expires_at is None:
        expires_at = parse_rfc3339(document.get("expires_at"))
        if expires_at is None:
            raise Malformed(f"{peer} gave a token that does not say when it expires", hint=hint)
        token.expires_at = int(expires_at)
    return token


def _document(body: bytes) -> dict[str, object] | None:
    try:
        document = loads(body.decode())
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _is_bearer(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TOKEN and all("!" <= char <= "~" for char in text)


def _text(value: object) -> str | None:
    """Return a text that may be shown, an empty one where there is none, ``None`` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        return None
    return value
