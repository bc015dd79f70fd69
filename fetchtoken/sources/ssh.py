"""The SSH source: a token from the command on another host, or the copy that it last gave out."""

from __future__ import annotations

import time

from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.files.guard import read_private, read_text
from fetchtoken.sources.cache import copy_file, lives, read_copy

__all__ = ["copy_path", "fetch", "peer_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request


def fetch(settings: Settings, request: Request) -> Token:
    """Return a token that lives at least ``request.min_valid_s`` seconds (and six minutes).

    A copy is served without contact for ``cache_max_age_s``; then the host is asked, and where it
    cannot be reached the copy is served with a note. ``no_cache`` and ``force_refresh`` bypass the
    copy, and nothing more: whether to exchange is the host's affair.

    Raises:
        ConfigError: no host is set, or a key or ``~/.ssh/config`` is unusable.
        LoginRequired: a person must log in there.
        NotFound: there is no such account, or neither a command nor a login.
        Unavailable: it cannot be reached, or cannot give such a token now.
        Denied: it refuses the key or the account; the copy is deleted.
        Malformed: it answers nonsense.
        Unsafe: its host key is unknown or has changed, or others can read the key file.
    """
    if not settings.ssh_host:
        raise ConfigError("the source is ssh, and no host is set", hint="set CODEX_SSH_HOST")
    path = copy_path(settings, request.account)
    copy = None if request.no_cache or request.force_refresh else read_copy(path, "ssh")
    now_s = time.time()
    if (
        copy is not None
        and copy.is_recent(settings.cache_max_age_s, now_s)
        and lives(copy.token, request, now_s)
    ):
        return copy.token
    from fetchtoken.sources.ssh_ask import ask

    return ask(settings, request, path, copy)


def copy_path(settings: Settings, account: str) -> str:
    """Return the path of the copy for a host, user, command, account and key.

    Raises:
        ConfigError: there is no such key file.
        Unsafe: others can read it.
    """
    place = (settings.ssh_host, str(settings.ssh_port), settings.ssh_user, settings.ssh_command)
    return copy_file(settings, "ssh", *place, account, _fingerprint(settings))


def peer_of(settings: Settings) -> str:
    """Return how messages name the host: as it is configured, without what is left to ``~/.ssh/config``."""
    user = f"{settings.ssh_user}@" if settings.ssh_user else ""
    if not settings.ssh_port:
        return user + settings.ssh_host
    host = f"[{settings.ssh_host}]" if ":" in settings.ssh_host else settings.ssh_host
    return f"{user}{host}:{settings.ssh_port}"


def _fingerprint(settings: Settings) -> str:
    """Return what a copy's name says of the key and the password with which it was got."""
    password = settings.ssh_password
    parts = [_key_text(settings.ssh_key) if settings.ssh_key else "", password.reveal() if password else ""]
    return sha256_hex("\n".join(parts).encode()) if any(parts) else ""


def _key_text(path: str) -> str:
    """Return a key file's text; a public key, which chooses one of the agent's, may be read by others."""
    try:
        text = read_text(path, private=False)
        return read_private(path) if "PRIVATE KEY" in text else text
    except NotFound:
        raise ConfigError(f"CODEX_SSH_KEY {path} does not exist", hint="name a private key's file") from None
