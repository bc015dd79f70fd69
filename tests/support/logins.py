"""Auth files for tests that need no issuer."""

import json
from pathlib import Path
from typing import Any

__all__ = ["auth_document", "write_auth"]


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
