"""The API key: from a value or a private file."""

from __future__ import annotations

from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["read_api_key"]


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
