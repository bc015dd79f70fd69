"""How our command is run without a person and without this shell: its path, its words, its settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from shutil import which

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import is_name
from fetchtoken.domain.token import Token
from fetchtoken.settings import Settings
from fetchtoken.settings.apikey import read_joined_key
from fetchtoken.settings.keys import ALIASES, KINDS, SECRET_KEYS

__all__ = ["PROGRAM", "fleeting", "own_path", "proxies", "source_words", "without_secrets"]

PROGRAM = "codex-fetchtoken"

_OF_SOURCE = {
    "remote": (
        "CODEX_REMOTE_URL",
        "CODEX_REMOTE_API_KEY_FILE",
        "CODEX_REMOTE_CA_FILE",
        "CODEX_REMOTE_CLIENT_CERT",
        "CODEX_REMOTE_CLIENT_KEY",
        "CODEX_CA_CERTIFICATE",
    ),
    "ssh": (
        "CODEX_SSH_HOST",
        "CODEX_SSH_PORT",
        "CODEX_SSH_USER",
        "CODEX_SSH_KEY",
        "CODEX_SSH_KNOWN_HOSTS",
        "CODEX_SSH_COMMAND",
    ),
}
_SECRET = {"remote": "CODEX_REMOTE_API_KEY", "ssh": "CODEX_SSH_PASS"}
_PLACES = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


def own_path(argv: list[str], path: str) -> str:
    """Return the absolute path of the command that runs now; a link stays one, for upgrades turn it.

    Args:
        argv: of this process.
        path: ``PATH``.

    Raises:
        ConfigError: it runs in another way than by its script.
    """
    name = argv[0] if argv else ""
    found = which(name, path=path) if os.path.basename(name) == PROGRAM else None
    beside = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    place = os.path.abspath(found) if found else beside
    if not os.access(place, os.X_OK) or not place.isprintable():
        raise ConfigError(f"{PROGRAM} has no path by which others could run it", hint="run it by its script")
    return place


def source_words(settings: Settings, source: str, token: Token) -> list[str]:
    """Return the options with which our command gets this account's token again, from anywhere.

    Args:
        settings: those of now.
        source: ``remote`` or ``ssh``.
        token: what the source gave; a broker says by which name, which is kept.
    """
    account = settings.account or (token.account if source == "remote" and is_name(token.account) else "")
    words = ["--source", source]
    if account:
        words += ["--account", account]
    if settings.profile and not _in_project(settings, settings.cascade.tiers[-1].file.path):
        words += ["--profile", settings.profile]
    return words


def fleeting(settings: Settings, source: str) -> tuple[dict[str, str], str]:
    """Return the source's settings that stand in this shell or project only, and a secret's key, if one does.

    Args:
        settings: those of now.
        source: ``remote`` or ``ssh``.
    """
    places = {key: settings.environ.get(key, "") for key in _PLACES}
    found = {key: text for key, text in places.items() if os.path.isabs(text) and text.isprintable()}
    for key in _OF_SOURCE[source]:
        if _is_fleeting(settings, key):
            text = settings.shown(key)
            found[key] = _whole(settings, text) if KINDS[key] == "path" else text
    secret = _SECRET[source]
    if not _is_fleeting(settings, secret):
        return found, ""
    kept = source == "remote" and read_joined_key(settings.cascade.user, settings.remote_url) is not None
    return found, "" if kept else secret


def proxies(settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Return this shell's variables about proxies, and the names of those that hold a password."""
    found = {key: text for key in _PROXIES if (text := settings.environ.get(key, "")) and text.isprintable()}
    secret = [key for key, text in found.items() if "@" in text]
    return {key: text for key, text in found.items() if key not in secret}, secret


def _is_fleeting(settings: Settings, key: str) -> bool:
    origin = settings.origin(key)
    return origin == "environment" or _in_project(settings, origin)


def _in_project(settings: Settings, place: str) -> bool:
    project = settings.cascade.project
    return bool(project) and place.startswith(f"{project}/")


def _whole(settings: Settings, text: str) -> str:
    """Return a path as it counts from any directory."""
    if text.startswith("~/"):
        return settings.home + text[1:]
    return os.path.join(settings.cascade.cwd, text)


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for another program."""
    ours = SECRET_KEYS | {name for name, key in ALIASES.items() if key in SECRET_KEYS}
    return {key: text for key, text in environ.items() if key.upper() not in ours}
