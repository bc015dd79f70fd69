"""Auth files of the Codex CLI for a made-up login, unsigned: Codex checks no signature."""

import json
import time
from pathlib import Path
from typing import Any

from fetchtoken.domain.claims import unsigned_jwt

__all__ = ["access_jwt", "held", "id_jwt", "write_codex_file"]

_AUTH = "https://api.openai.com/auth"


def access_jwt(left_s: float, **claims: Any) -> str:
    """Return an access token.

    Args:
        left_s: of its life; negative for one that has ended.
        **claims: to tell it from others.
    """
    return unsigned_jwt({"exp": int(time.time() + left_s), **claims})


def id_jwt(*, plan: str = "pro", account: str = "acct-1", user: str = "user-1") -> str:
    """Return an id token with who it is."""
    who = {"chatgpt_plan_type": plan, "chatgpt_account_id": account, "chatgpt_user_id": user}
    return unsigned_jwt({"email": "ann@example.com", _AUTH: who})


def write_codex_file(home: Path, access_token: str, **changes: Any) -> Path:
    """Write ``auth.json``, 0600: a login ``rt_1`` of Codex's own, unless changed.

    Args:
        home: its ``CODEX_HOME``.
        access_token: the token.
        **changes: keys of ``tokens``, ``auth_mode`` and ``last_refresh``.
    """
    top = {key: changes.pop(key) for key in ("auth_mode", "last_refresh") if key in changes}
    tokens = {
        "id_token": id_jwt(),
        "access_token": access_token,
        "refresh_token": "rt_1",
        "account_id": "acct-1",
    }
    document = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens | changes,
        "last_refresh": "2026-11-01T00:00:00Z",
    }
    path = home / "auth.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document | top))
    return path


def held(path: Path) -> dict[str, Any]:
    """Return the ``tokens`` of an auth file."""
    tokens: dict[str, Any] = json.loads(path.read_text())["tokens"]
    return tokens
