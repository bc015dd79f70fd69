"""Auth files with tokens of our own making."""

import json
import time
from pathlib import Path
from typing import Any

from fetchtoken.domain.claims import unsigned_jwt

__all__ = ["access_token", "auth_document", "write_auth"]

_AUTH = "https://api.openai.com/auth"


def access_token(
    *, lives_s: float = 86_400, account_id: str = "acct-1", plan: str = "pro", **more: Any
) -> str:
    """Return a token of JWT shape, issued an hour ago, that ends in ``lives_s`` seconds."""
    now = int(time.time())
    claims = {
        "iat": now - 3600,
        "exp": now + int(lives_s),
        _AUTH: {"chatgpt_account_id": account_id, "chatgpt_plan_type": plan, "chatgpt_user_id": "user-1"},
        **more,
    }
    return unsigned_jwt(claims)


def auth_document(access: str, *, refresh: str = "", account_id: str = "acct-1") -> dict[str, Any]:
    """Return an ``auth.json`` as Codex would write it."""
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": access,
            "access_token": access,
            "refresh_token": refresh,
            "account_id": account_id,
        },
        "last_refresh": "2026-11-01T00:00:00Z",
    }


def write_auth(path: Path, access: str, **more: Any) -> Path:
    """Write an ``auth.json``, 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(auth_document(access, **more)))
    path.chmod(0o600)
    return path
