"""Codex's ``config.toml`` on the disk: read, and replaced only as it was read."""

from __future__ import annotations

import os
import stat

from fetchtoken.codex.replaceable import check_document_replaceable
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound, Unsafe
from fetchtoken.files.atomic import replace_file
from fetchtoken.files.guard import read_bytes

__all__ = ["ChangedMeanwhile", "read_config", "write_config"]

_LIMIT = 4 << 20


class ChangedMeanwhile(Exception):
    """Somebody else wrote the file since it was read; nothing was written."""


def read_config(path: str) -> str | None:
    """Return the text, or ``None`` where there is no file.

    Raises:
        ConfigError: it is no text.
        Malformed: it is no file, or very large.
        Unsafe: it cannot be read.
    """
    try:
        data = read_bytes(path, private=False, limit=_LIMIT)
    except NotFound:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8, so Codex cannot read it", hint=f"correct {path}") from None


def write_config(path: str, before: str | None, after: str | None) -> None:
    """Put another text into the file; mode and owner stay, a symbolic link is followed.

    Args:
        path: the file.
        before: what was read; ``None`` where there was no file.
        after: the new text; ``None`` removes the file.

    Raises:
        ChangedMeanwhile: it is not what was read any more.
        Unsafe: it cannot be replaced: hard-linked, read-only, mounted by itself, no room, no permission.
    """

    def compare() -> None:
        if read_config(path) != before:
            raise ChangedMeanwhile

    real = os.path.realpath(path)
    try:
        mode = 0o600
        if before is not None:
            mode = stat.S_IMODE(os.stat(real).st_mode)
            check_document_replaceable(real, {})
        if after is None:
            compare()
            os.unlink(real)
        else:
            os.makedirs(os.path.dirname(real), mode=0o700, exist_ok=True)
            replace_file(real, after.encode(), mode=mode, check=compare)
    except FileNotFoundError:
        raise ChangedMeanwhile from None
    except OSError as error:
        raise Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -l {path}") from None
    except Malformed:
        raise ChangedMeanwhile from None
