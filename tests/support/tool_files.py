"""Login files as each tool writes them, from the tokens of one login."""

import json
from pathlib import Path
from typing import Any

from tests.support.logins import auth_document

__all__ = ["ABLE", "TOOLS", "put", "tool_document"]


def _cliproxy(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:
    return {
        "type": "codex",
        "email": email,
        "account_id": account_id,
        "id_token": "",
        "access_token": access,
        "refresh_token": refresh,
        "expired": "2099-01-01T00:00:00Z",
        "last_refresh": "2026-11-01T00:00:00Z",
        "disabled": False,
        "proxy_url": "socks5://127.0.0.1:1080",
    }


def _opencode(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:  # noqa: ARG001 - it has none
    entry = {"type": "oauth", "refresh": refresh, "access": access, "expires": 1, "accountId": account_id}
    return {"anthropic": {"type": "api", "key": "sk-ant"}, "openai": entry}


def _codex_lb(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:
    return {
        "filename": "export.json",
        "account": {"accountId": f"{account_id}__copy1", "chatgptAccountId": account_id, "email": email},
        "tokens": {"idToken": access, "accessToken": access, "refreshToken": refresh, "expiresAtMs": 1},
        "codexAuthJson": auth_document(access, refresh=refresh, account_id=account_id),
    }


def _interactive_proxy(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:
    return {
        "account_id": "proxy-name",
        "chatgpt_account_id": account_id,
        "email": email,
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expiry_date": 4_000_000_000_000,
        "updated_at": "2026-11-01T00:00:00+00:00",
        "needs_reauth": False,
    }


def _multi_auth(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:
    account = {
        "accountId": account_id,
        "email": email,
        "refreshToken": refresh,
        "accessToken": access,
        "expiresAt": 4_000_000_000_000,
        "addedAt": 1,
        "lastUsed": 1,
    }
    return {"version": 3, "accounts": [account], "activeIndex": 0}


def _blob(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:  # noqa: ARG001 - bare tokens
    return {"access_token": access, "refresh_token": refresh, "expires_at": 4_000_000_000}


def _codex(access: str, refresh: str, account_id: str, email: str) -> dict[str, Any]:  # noqa: ARG001 - in the token
    return auth_document(access, refresh=refresh, account_id=account_id)


TOOLS = {
    "codex": _codex,
    "cliproxy": _cliproxy,
    "opencode": _opencode,
    "codex-lb": _codex_lb,
    "llm-interactive-proxy": _interactive_proxy,
    "codex-multi-auth": _multi_auth,
    "blob": _blob,
}
"""What writes a file of each format."""

ABLE = ("codex", "cliproxy", "opencode", "llm-interactive-proxy")
"""Formats with an access-only form."""


def tool_document(
    form: str, access: str, refresh: str = "", *, account_id: str = "acct-1", email: str = "ada@example.com"
) -> dict[str, Any]:
    """Return a tool's file with the tokens of one login."""
    return TOOLS[form](access, refresh, account_id, email)


def put(path: Path, document: Any) -> Path:
    """Write a file, 0600, with the directories above it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return path
