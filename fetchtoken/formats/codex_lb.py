"""What codex-lb exports: its own record around a Codex file, older shapes of it, and camelCase files."""

from fetchtoken.domain.errors import Malformed
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.formats import opencode
from fetchtoken.formats.codex import secret_at, table_at, text_at
from fetchtoken.formats.login import Login

__all__ = ["KEY", "read", "recognises"]

KEY = "codex-lb"
_CAMEL = ("idToken", "accessToken", "refreshToken")


def recognises(document: dict[str, object]) -> bool:
    """Tell whether it is an export, or a Codex file with camelCase keys."""
    tokens = document.get("tokens")
    return (
        isinstance(document.get("codexAuthJson"), dict)
        or isinstance(document.get("authJson"), dict)
        or (isinstance(tokens, dict) and any(key in tokens for key in _CAMEL))
    )


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return its one login; the internal account id (perhaps ``…__copy1``) is not OpenAI's.

    Raises:
        Malformed: an older export without an ``openai`` entry.
    """
    account = table_at(document, "account", name)
    camel = table_at(document, "tokens", name)
    snake_file = table_at(document, "codexAuthJson", name)
    snake = table_at(snake_file, "tokens", name)
    older = table_at(table_at(document, "authJson", name), opencode.PROVIDER, name)
    if not (camel or snake or older):
        raise Malformed(f"{name} is an export without tokens", hint="export the account again")
    times = (snake_file.get("last_refresh"), document.get("lastRefreshAt"))
    ends = (camel.get("expiresAtMs"), older.get("expires"))
    account_ids = (
        text_at(account, "chatgptAccountId", name),
        text_at(snake, "account_id", name),
        text_at(camel, "accountId", name),
        text_at(older, "accountId", name),
    )
    access, refresh, identity = (
        secret_at(camel, key, name) or secret_at(snake, other, name) for key, other in _KEYS
    )
    return [
        Login(
            form=KEY,
            where=name,
            access_token=access or secret_at(older, "access", name),
            refresh_token=refresh or secret_at(older, "refresh", name),
            id_token=identity,
            account_id=next(filter(None, account_ids), ""),
            email=text_at(account, "email", name),
            expires_at=next(filter(None, map(parse_rfc3339, ends)), None),
            last_refresh=next(filter(None, map(parse_rfc3339, times)), None),
        )
    ]


_KEYS = (("accessToken", "access_token"), ("refreshToken", "refresh_token"), ("idToken", "id_token"))
