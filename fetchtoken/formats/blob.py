"""Bare tokens with their times, as iron-token-broker keeps them and as a token endpoint answers."""

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.errors import LoginRequired
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.formats.codex import secret_at, text_at
from fetchtoken.formats.login import Login

__all__ = ["KEY", "read", "recognises"]

KEY = "blob"


def recognises(document: dict[str, object]) -> bool:
    """Tell whether tokens lie at the top, and no other format claimed the file."""
    return "access_token" in document and "tokens" not in document


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return its one login.

    Raises:
        LoginRequired: nothing in it says that OpenAI gave these tokens; many programs keep such files.
    """
    access, identity = secret_at(document, "access_token", name), secret_at(document, "id_token", name)
    said = [Claims(decode_claims(token.reveal()) or {}) for token in (identity, access)]
    if not any(claims.account_id for claims in said):
        raise LoginRequired(
            f"{name} holds tokens that do not say that they are a ChatGPT login's",
            hint="give the file that a login wrote",
        )
    return [
        Login(
            form=KEY,
            where=name,
            access_token=access,
            refresh_token=secret_at(document, "refresh_token", name),
            id_token=identity,
            account_id=text_at(document, "account_id", name),
            expires_at=parse_rfc3339(document.get("expires_at")),
            last_refresh=parse_rfc3339(document.get("last_refresh")),
        )
    ]
