"""A login that Codex keeps in the system's keyring: read only, and never exchanged.

Codex does not re-read the keyring while it runs, so an exchange of ours would log it out.
"""

from __future__ import annotations

import os
import time

from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import ConfigError, LoginRequired, NotFound, Unavailable
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.formats.codex import AuthFile, check_login, parse_auth_file

__all__ = ["SERVICE", "fetch_from_keyring", "keyring_key", "read_keyring"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request

SERVICE = "Codex Auth"
"""Under which Codex files its entries."""

_NAME = "the keyring entry of Codex"
_INSTALL = "pip install 'codex-token-broker[keyring]'"


def fetch_from_keyring(settings: Settings, request: Request, mode: str) -> Token | None:
    """Return the token of Codex's keyring entry, or ``None`` where ``auto`` means the file.

    Args:
        settings: names the Codex home.
        request: what is demanded.
        mode: what ``config.toml`` says: ``keyring``, ``auto`` or ``ephemeral``.

    Raises:
        ConfigError: the keyring is configured and the extra that reads it is not installed.
        NotFound: there is no entry, or Codex keeps its login in memory.
        LoginRequired: the token is expired; only Codex may renew it.
        Unavailable: the keyring cannot be read now, or the token is too short-lived.
        Malformed: the entry is not Codex's.
    """
    if mode == "ephemeral":
        raise NotFound(
            "Codex keeps its login in memory (cli_auth_credentials_store = ephemeral)",
            hint="use --source remote, or name a file with CODEX_CREDENTIALS_FILE",
        )
    try:
        auth = read_keyring(settings.codex_home)
    except (ConfigError, Unavailable) as error:
        if mode == "auto" and os.path.exists(os.path.join(settings.codex_home, "auth.json")):
            request.note(f"{error.message}; auth.json is used")
            return None
        raise
    if auth is None:
        if mode == "auto":
            return None
        raise NotFound("the keyring holds no login of Codex", hint="codex login")
    check_login(auth)
    return _alive(auth, request)


def keyring_key(codex_home: str) -> str:
    """Return the name of Codex's entry: one per Codex home, by its canonical path."""
    return "cli|" + sha256_hex(os.path.realpath(codex_home).encode())[:16]


def read_keyring(codex_home: str) -> AuthFile | None:
    """Return what Codex filed for a Codex home, or ``None`` where it filed nothing.

    Raises:
        ConfigError: the extra is not installed.
        Unavailable: there is no keyring, or it is locked.
        Malformed: the entry is not Codex's.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(
            "Codex keeps its login in the keyring, and the extra that reads it is not installed",
            hint=_INSTALL,
        ) from None
    try:
        text = keyring.get_password(SERVICE, keyring_key(codex_home))
    except KeyringError as error:
        raise Unavailable(
            f"the keyring cannot be read: {type(error).__name__}", hint="unlock the keyring, then try again"
        ) from None
    return parse_auth_file(text, _NAME) if text else None


def _alive(auth: AuthFile, request: Request) -> Token:
    token = auth.token()
    left_s = token.seconds_left(time.time())
    if left_s < CODEX_WINDOW_S:
        raise LoginRequired(
            f"{_NAME}: the token is expired, and only Codex may renew it", hint="run codex once"
        )
    if request.force_refresh:
        raise Unavailable(f"{_NAME} is never exchanged here", hint="run codex once")
    if left_s < request.min_valid_s:
        raise Unavailable(
            f"{_NAME}: the token has {int(left_s)} s left, under --min-valid {request.min_valid_s}",
            hint="--min-valid 0",
        )
    return token
