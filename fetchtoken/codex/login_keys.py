"""Keys of ``config.toml`` by which Codex does not use the login in ``auth.json``; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["STORE", "forced_elsewhere", "ignores_file"]

STORE = ("cli_auth_credentials_store",)


def ignores_file(store: object) -> bool:
    """Tell whether Codex keeps its login elsewhere than in the file, by the value of that key."""
    return store in ("keyring", "ephemeral")


def forced_elsewhere(config: Mapping[str, Any], account_id: str) -> str:
    """Return the key by which Codex refuses a ChatGPT login of an account, or an empty string.

    Where Codex refuses a login it may delete the file that holds it.
    """
    if config.get("forced_login_method", "chatgpt") != "chatgpt":
        return "forced_login_method"
    forced = config.get("forced_chatgpt_workspace_id")
    allowed = [forced] if isinstance(forced, str) else forced
    if isinstance(allowed, list) and account_id not in allowed:
        return "forced_chatgpt_workspace_id"
    return ""
