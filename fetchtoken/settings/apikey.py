"""The API key: from a value, a private file, or where ``join`` kept it for one origin."""

from __future__ import annotations

from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import ConfigError, NotFound, Unavailable
from fetchtoken.domain.secret import Secret

__all__ = ["IN_KEYRING", "KEYRING_SERVICE", "joined_file", "origin_of", "read_api_key", "read_joined_key"]

IN_KEYRING = "keyring"
"""What stands in the file where the key itself is in the system's keyring."""

KEYRING_SERVICE = "codex-fetchtoken"

_PORTS = {"http": "80", "https": "443"}


def read_api_key(where: str, text: str = "", *, path: str = "") -> Secret:
    """Return the key after a look at its characters: it becomes part of an HTTP header.

    Args:
        where: the key's name with its origin, for messages.
        text: the key itself.
        path: the file that holds it, where it is not given.

    Raises:
        ConfigError: the file is missing, or what it holds cannot be a key.
        Unsafe: others can read the file.
        Malformed: it is no text.
    """
    if path:
        from fetchtoken.files.guard import read_private

        where = f"{where} {path}"
        try:
            text = read_private(path).strip()
        except NotFound:
            raise ConfigError(
                f"{where} does not exist", hint="write the API key into it, then chmod 600"
            ) from None
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"{where}: this is no API key", hint="a key is one word: cbk_…")
    return Secret(text)


def read_joined_key(user: str, url: str) -> Secret | None:
    """Return the key that ``join`` kept for the origin of a URL, or ``None``.

    Args:
        user: the directory of the user's own settings.
        url: ``CODEX_REMOTE_URL``.

    Raises:
        ConfigError: what is there cannot be a key, or the extra that reads the keyring is gone.
        Unavailable: the keyring cannot be read now.
        Unsafe: others can read the file.
    """
    from fetchtoken.files.guard import read_private

    path = joined_file(user, origin_of(url))
    try:
        text = read_private(path).strip()
    except NotFound:
        return None
    if text == IN_KEYRING:
        text = _in_keyring(origin_of(url))
    return read_api_key(path, text)


def joined_file(user: str, origin: str) -> str:
    """Return the file of an origin's key."""
    return f"{user}/keys/{sha256_hex(origin.encode())[:32]}"


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL: the same text as :attr:`fetchtoken.net.url.Url.origin`.

    Without that module, which a cached copy does not need; a test holds both to the same answers.
    """
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme == "unix":
        path = rest.partition(":/")[0]
        return f"unix:/{path.lstrip('/')}"
    authority = rest[2:].partition("/")[0].lower()
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    return f"{scheme}://{host}:{port.lstrip('0') or _PORTS.get(scheme, '')}"


def _in_keyring(origin: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(
            f"the API key for {origin} is in the keyring, and the extra that reads it is not installed",
            hint="pip install 'codex-token-broker[keyring]'",
        ) from None
    try:
        text = keyring.get_password(KEYRING_SERVICE, origin)
    except KeyringError as error:
        raise Unavailable(
            f"the keyring cannot be read: {type(error).__name__}", hint="unlock the keyring, then try again"
        ) from None
    if not text:
        raise ConfigError(f"the keyring holds no API key for {origin} any more", hint="join the broker anew")
    return str(text)
