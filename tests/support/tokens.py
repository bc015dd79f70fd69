"""Tokens and settings for tests that need no issuer."""

import json
import time
from pathlib import Path
from typing import Any

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.options import Options
from fetchtoken.settings import Settings, load
from fetchtoken.sources.request import Request

AUTH = "https://api.openai.com/auth"


def jwt(
    life_s: float = 864_000, *, age_s: float = 0, account_id: str = "acct-1", plan: str = "pro", **claims: Any
) -> str:
    """Return a token that was issued ``age_s`` ago and lives ``life_s`` in all."""
    issued_at = int(time.time() - age_s)
    auth = {"chatgpt_account_id": account_id, "chatgpt_plan_type": plan, "chatgpt_user_id": "user-1"}
    return unsigned_jwt({"iat": issued_at, "exp": int(issued_at + life_s), AUTH: auth, **claims})


def answer(access_token: str, *, account: str = "work", **more: Any) -> dict[str, Any]:
    """Return the broker's token object as contract §4 draws it."""
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "account": account,
        "account_id": "acct-1",
        "plan_type": "pro",
        "auth_mode": "chatgptAuthTokens",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": access_token,
            "access_token": access_token,
            "refresh_token": "",
            "account_id": "acct-1",
        },
        **more,
    }


def http(status: int, body: Any = None, **headers: str) -> bytes:
    """Return an HTTP answer with a JSON body; header names with ``_`` for ``-``."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if status == 304 else data)


def settings_of(home: Path, **keys: str) -> Settings:
    """Return settings read from an environment that holds HOME and these keys only."""
    return load(Options(), {"HOME": str(home), **keys}, str(home))


def request_of(notes: list[str] | None = None, **wishes: Any) -> Request:
    """Return a request with the command's defaults."""
    given: dict[str, Any] = {
        "account": "",
        "min_valid_s": 600,
        "force_refresh": False,
        "no_refresh": False,
        "no_cache": False,
        "started_at": time.time(),
        "deadline": time.monotonic() + 20,
        "note": (notes if notes is not None else []).append,
    }
    return Request(**{**given, **wishes})
