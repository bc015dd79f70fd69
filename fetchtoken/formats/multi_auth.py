"""codex-multi-auth's ``openai-codex-accounts.json``: every account in one file, camelCase.

A rotation that its program could not write there waits in ``….pending-auth.json`` beside it, under
the SHA-256 of the refresh token that it spent; the program applies it at its next start.
"""

from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import Malformed
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.formats.codex import secret_at, text_at
from fetchtoken.formats.login import Login

__all__ = ["KEY", "PENDING", "overlaid", "read", "recognises"]

KEY = "codex-multi-auth"
PENDING = ".pending-auth.json"
"""What the name of the file beside it ends with."""

_MOST_ACCOUNTS = 1000


def recognises(document: dict[str, object]) -> bool:
    """Tell whether it is one: a list of accounts, with its own pointer to the active one."""
    accounts = document.get("accounts")
    return isinstance(accounts, list) and (
        "activeIndex" in document
        or any(isinstance(account, dict) and "refreshToken" in account for account in accounts)
    )


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return every account that has a token, in the file's order.

    Raises:
        Malformed: an account is no object.
    """
    found = []
    for number, account in enumerate(_objects(document, "accounts", name), 1):
        where = f"{name}: account {number}"
        login = Login(
            form=KEY,
            where=where,
            access_token=secret_at(account, "accessToken", where),
            refresh_token=secret_at(account, "refreshToken", where),
            id_token=secret_at(account, "idToken", where),
            account_id=text_at(account, "accountId", where),
            email=text_at(account, "email", where),
            expires_at=parse_rfc3339(account.get("expiresAt")),
            disabled=account.get("enabled") is False,
        )
        if login.access_token or login.refresh_token:
            found.append(login)
    return found


def overlaid(document: dict[str, object], pending: dict[str, object], name: str) -> dict[str, object]:
    """Return the file with the rotations applied that wait beside it.

    Args:
        document: the file.
        pending: the file beside it.
        name: of the latter, for messages.

    Raises:
        Malformed: they cannot be read, so the tokens in the file may be spent.
    """
    newer = {}
    for entry in _objects(pending, "entries", name):
        prior = text_at(entry, "prior", name)
        if not prior or not secret_at(entry, "refreshToken", name):
            raise Malformed(f"{name}: an entry lacks its tokens", hint="run codex-multi-auth once")
        newer[prior] = {key: entry.get(key) for key in ("refreshToken", "accessToken", "expiresAt")}
    accounts = _objects(document, "accounts", name)
    return {**document, "accounts": [{**account, **newer.get(_spends(account), {})} for account in accounts]}


def _spends(account: dict[str, object]) -> str:
    token = account.get("refreshToken")
    return sha256_hex(token.encode("utf-8", "surrogatepass")) if isinstance(token, str) and token else ""


def _objects(holder: dict[str, object], key: str, name: str) -> list[dict[str, object]]:
    value = holder.get(key)
    if not isinstance(value, list) or len(value) > _MOST_ACCOUNTS:
        raise Malformed(f"{name}: {key} is not a list of accounts", hint="run codex-multi-auth once")
    if not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name}: {key} holds something that is no account", hint="run codex-multi-auth once")
    return value
