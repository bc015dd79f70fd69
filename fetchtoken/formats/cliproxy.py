"""The flat file that CLIProxyAPI and CCS keep for each Codex account (``"type": "codex"``)."""

from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import secret_at, text_at
from fetchtoken.formats.login import Login

__all__ = ["KEY", "access_only", "read", "recognises"]

KEY = "cliproxy"


def recognises(document: dict[str, object]) -> bool:
    """Tell whether it is one of their files, of whichever provider."""
    return isinstance(document.get("type"), str) and not isinstance(document.get("tokens"), dict)


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return its one login; ``id_token`` and ``email`` may be missing or empty."""
    return [
        Login(
            form=KEY,
            where=name,
            access_token=secret_at(document, "access_token", name),
            refresh_token=secret_at(document, "refresh_token", name),
            id_token=secret_at(document, "id_token", name),
            account_id=text_at(document, "account_id", name),
            email=text_at(document, "email", name),
            expires_at=parse_rfc3339(document.get("expired")),
            last_refresh=parse_rfc3339(document.get("last_refresh")),
            disabled=document.get("disabled") is True,
        )
    ]


def access_only(document: dict[str, object], token: Token, now_s: float) -> dict[str, object]:
    """Return the file with another access token and none to refresh with.

    Without a refresh token CLIProxyAPI leaves a file as it is and uses it until it expires.
    """
    issued_at = now_s if token.issued_at is None else token.issued_at
    return {
        **document,
        "id_token": token.id_token.reveal() if token.id_token else "",
        "access_token": token.access_token.reveal(),
        "refresh_token": "",
        "expired": to_rfc3339(token.expires_at) if token.expires_at is not None else "",
        "last_refresh": to_rfc3339(issued_at),
    }
