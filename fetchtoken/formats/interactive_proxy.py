"""One account of llm-interactive-proxy's managed store (``openai_codex_oauth_accounts/ID.json``)."""

from fetchtoken.domain.errors import LoginRequired
from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import secret_at, text_at
from fetchtoken.formats.login import Login

__all__ = ["KEY", "access_only", "read", "recognises"]

KEY = "llm-interactive-proxy"


def recognises(document: dict[str, object]) -> bool:
    """Tell whether it is one: its own keys beside the tokens, which no Google file has."""
    return "access_token" in document and ("chatgpt_account_id" in document or "needs_reauth" in document)


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return its one login; ``account_id`` is only the name that its user gave it.

    Raises:
        LoginRequired: the proxy has marked it as refused.
    """
    if document.get("needs_reauth") is True:
        raise LoginRequired(
            f"{name} holds a login that llm-interactive-proxy has marked as refused",
            hint="log in again",
        )
    return [
        Login(
            form=KEY,
            where=name,
            access_token=secret_at(document, "access_token", name),
            refresh_token=secret_at(document, "refresh_token", name),
            account_id=text_at(document, "chatgpt_account_id", name),
            email=text_at(document, "email", name),
            expires_at=parse_rfc3339(document.get("expiry_date")),
            last_refresh=parse_rfc3339(document.get("updated_at")),
            nickname=text_at(document, "account_id", name),
        )
    ]


def access_only(document: dict[str, object], token: Token, now_s: float) -> dict[str, object]:
    """Return the file with another access token and none to refresh with."""
    return {
        **document,
        "access_token": token.access_token.reveal(),
        "refresh_token": "",
        "expiry_date": None if token.expires_at is None else token.expires_at * 1000,
        "updated_at": to_rfc3339(now_s),
    }
