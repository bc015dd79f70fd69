"""opencode's ``auth.json``: one entry for each provider; ours is ``openai`` with ``type`` ``oauth``."""

from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import secret_at, table_at, text_at
from fetchtoken.formats.login import Login
from fetchtoken.output import opencode_entry

__all__ = ["KEY", "PROVIDER", "TYPES", "access_only", "read", "recognises"]

KEY = "opencode"
PROVIDER = "openai"
TYPES = ("oauth", "api", "wellknown")
"""Every kind of entry."""


def recognises(document: dict[str, object]) -> bool:
    """Tell whether every value is an entry as opencode writes it, with ours among them."""
    ours = document.get(PROVIDER)
    return isinstance(ours, dict) and ours.get("type") in TYPES


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return the login of ``openai``; there is no id token and no time of the last exchange."""
    ours = table_at(document, PROVIDER, name)
    return [
        Login(
            form=KEY,
            where=name,
            access_token=secret_at(ours, "access", name),
            refresh_token=secret_at(ours, "refresh", name),
            account_id=text_at(ours, "accountId", name),
            expires_at=parse_rfc3339(ours.get("expires")) or None,
        )
    ]


def access_only(document: dict[str, object], token: Token, now_s: float) -> dict[str, object]:  # noqa: ARG001
    """Return the file with another access token and none to refresh with; other providers stay.

    Raises:
        Malformed: the token does not say when it expires.
    """
    held = document.get(PROVIDER)
    kept = held if isinstance(held, dict) else {}
    return {**document, PROVIDER: {**kept, **opencode_entry(token)}}
