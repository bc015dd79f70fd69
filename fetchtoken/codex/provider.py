"""Our model provider in Codex's ``config.toml``, with our command for its bearer; pure.

Codex sends no account by itself to a provider with a command, so the header stands there. The
command ends before Codex's own limit does, and so says why; it asks each time, since Codex runs it
again where the backend refused what it printed, and keeps its copy for when nobody answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fetchtoken.codex.toml_text import Key, at
from fetchtoken.domain.errors import ConfigError, Malformed, Unsafe
from fetchtoken.net.url import parse_url

__all__ = [
    "PROVIDER",
    "backend_url",
    "foreign_key",
    "has_provider",
    "keys_of_ours",
    "other_profiles",
    "provider_keys",
]

PROVIDER = "codex-fetchtoken"

_RESPONSES = "https://chatgpt.com/backend-api/codex"
"""Where Codex sends a ChatGPT login's requests."""

_BUILT_IN = "openai"
_TABLE = ("model_providers", PROVIDER)
_COMMAND_S = 4
_CODEX_MS = 5000
_REFRESH_MS = 300_000


def backend_url(config: Mapping[str, Any], name: str) -> str:
    """Return the base of the Responses API: as the user has configured it for Codex, else OpenAI's.

    Args:
        config: what ``config.toml`` says.
        name: its path, for messages.

    Raises:
        ConfigError: what is configured is no URL.
        Unsafe: it would show the token to the network.
    """
    for key in ("openai_base_url", "chatgpt_base_url"):
        text = config.get(key)
        if text is None:
            continue
        what = f"{name}: {key}"
        if not isinstance(text, str):
            raise ConfigError(f"{what} is no text", hint=f"correct {name}")
        url = parse_url(text, what)
        if url.scheme == "http" and not url.is_local:
            raise Unsafe(f"{what} would show the token to the network: plain http", hint="use https://")
        if url.scheme == "unix":
            raise ConfigError(f"{what} is no URL for Codex", hint="use https://")
        base = text.rstrip("/")
        if key == "openai_base_url":
            return base
        return f"{base}/codex" if "/backend-api" in base else f"{base}/api/codex"
    return _RESPONSES


def foreign_key(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first key by which the user has a provider of their own, and how to name its value.

    Both are empty where there is none.
    """
    for key in (("model_provider",), *_active_profile(config)):
        value = at(config, key)
        if value is not None and value not in (PROVIDER, _BUILT_IN):
            return ".".join(key), repr(value)[:80]
    if at(config, _TABLE) is not None:
        return ".".join(_TABLE), "a table"
    return "", ""


def keys_of_ours(config: Mapping[str, Any]) -> list[str]:
    """Return the keys by which Codex runs our command, whoever wrote them."""
    found = [".".join(_TABLE)] if at(config, _TABLE) is not None else []
    keys: list[Key] = [("model_provider",), *_active_profile(config)]
    return [".".join(key) for key in keys if at(config, key) == PROVIDER] + found


def _active_profile(config: Mapping[str, Any]) -> list[Key]:
    """Return the key by which the profile that Codex uses by itself goes before ours, if it has it."""
    name = config.get("profile")
    key = ("profiles", str(name), "model_provider")
    return [key] if at(config, key) is not None else []


def has_provider(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration, such as a profile's own file, chooses another provider than ours."""
    return config.get("model_provider") not in (None, PROVIDER)


def other_profiles(config: Mapping[str, Any]) -> list[str]:
    """Return the profiles in the file itself, as older versions of Codex have them, that keep their own."""
    profiles = config.get("profiles")
    names = list(profiles) if isinstance(profiles, dict) else []
    active = _active_profile(config)
    keys = {name: ("profiles", name, "model_provider") for name in names}
    return [
        name for name, key in keys.items() if key not in active and at(config, key) not in (None, PROVIDER)
    ]


def provider_keys(  # noqa: PLR0913 - what the table says, each named at the call
    config: Mapping[str, Any], name: str, *, command: str, words: list[str], home: str, account_id: str
) -> dict[Key, Any]:
    """Return what to set, by key.

    Args:
        config: what ``config.toml`` says.
        name: its path, for messages.
        command: the absolute path of our command.
        words: what makes it print this account's token.
        home: where it runs: a project that Codex is in has no say in which token it gets.
        account_id: whose token it is.

    Raises:
        ConfigError, Unsafe: as :func:`backend_url`.
        Malformed: the account's id is none.
    """
    if not account_id or not account_id.isascii() or not account_id.isprintable():
        raise Malformed("the token's account id cannot be sent in a header", hint="--verbose")
    table = {
        "name": PROVIDER,
        "base_url": backend_url(config, name),
        "wire_api": "responses",
        "http_headers": {"ChatGPT-Account-Id": account_id},
        "auth": {
            "command": command,
            "args": [*words, "--cache-max-age", "0", "--timeout", str(_COMMAND_S)],
            "cwd": home,
            "timeout_ms": _CODEX_MS,
            "refresh_interval_ms": _REFRESH_MS,
        },
    }
    keys: dict[Key, Any] = {("model_provider",): PROVIDER, _TABLE: table}
    return keys | dict.fromkeys(_active_profile(config), PROVIDER)
