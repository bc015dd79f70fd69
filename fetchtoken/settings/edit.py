"""``config set`` and ``config init``: changing one line of a settings file and nothing else."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.settings.cascade import FILE_NAME, PROJECT_FILES, Cascade
from fetchtoken.settings.keys import (
    ALIASES,
    BUILT_IN,
    KINDS,
    PROJECT_KEYS,
    SECRET_KEYS,
    check_text,
    judge,
)

__all__ = ["TIERS", "init_user_file", "known_key", "set_value"]

TIERS = ("user", "project")

_TEMPLATE = """\
# Settings of codex-fetchtoken. KEY=VALUE lines; no quotes; a # starts a comment line.
# `codex-fetchtoken config show` prints each value with its origin.

"""


def known_key(name: str) -> str:
    """Return the key that a name, or its other spelling, stands for.

    Raises:
        ConfigError: this version has no such key.
    """
    key = ALIASES.get(name, name)
    if KINDS.get(key, "unused") == "unused":
        raise ConfigError(f"{name[:80]!r} is no setting of this version", hint="codex-fetchtoken config show")
    return key


def set_value(cascade: Cascade, key: str, value: str, tier: str) -> str:
    """Write one value; unknown lines and comments stay. An empty value takes the key out.

    Args:
        cascade: says where the files are.
        key: as :func:`known_key` returns it.
        value: the text; it is judged first.
        tier: ``user`` or ``project``.

    Returns:
        The file's path.

    Raises:
        ConfigError: the value is not allowed, the key not in a project file, or there is no project.
        Unsafe: the file cannot be written.
    """
    if value:
        judge(key, key, check_text(key, value), home=cascade.home, base="")
    path = _user_file(cascade) if tier == "user" else _project_file(cascade, key)
    old, mode = _read(path)
    new = _edited(old, key, value)
    if any(_key_of(line) in SECRET_KEYS for line in new.split(b"\n")):
        mode = 0o600
    _write(path, new, mode)
    return path


def init_user_file(cascade: Cascade) -> tuple[str, bool]:
    """Make the user's file with every key commented out; return its path, and whether it is new.

    Raises:
        Unsafe: it cannot be written.
    """
    path = _user_file(cascade)
    if os.path.lexists(path):
        return path, False
    keys = [key for key, kind in KINDS.items() if kind != "unused"]
    lines = [f"#{key}={BUILT_IN.get(key, '')}\n" for key in keys]
    _write(path, (_TEMPLATE + "".join(lines)).encode(), 0o600)
    return path, True


def _user_file(cascade: Cascade) -> str:
    return f"{cascade.user}/{FILE_NAME}"


def _project_file(cascade: Cascade, key: str) -> str:
    """Return the project's highest existing file, or where to make one."""
    if key not in PROJECT_KEYS:
        raise ConfigError(f"{key} does not count in a project file", hint="--tier user")
    if not cascade.project:
        raise ConfigError("the working directory is in no project", hint="git init, or --tier user")
    paths = [f"{cascade.project}/{name}" for name in PROJECT_FILES]
    path = next((path for path in reversed(paths) if os.path.isfile(path)), paths[0])
    root = os.path.realpath(cascade.project)
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise Unsafe(f"{path} is a link out of the project", hint="--tier user")
    return path


def _read(path: str) -> tuple[bytes, int]:
    """Return a file's bytes and mode; those of a new file where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mode & 0o777
    except FileNotFoundError:
        return b"", 0o600
    except OSError as error:
        raise Unsafe(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None


def _write(path: str, data: bytes, mode: int) -> None:
    from fetchtoken.files.atomic import replace_file

    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, data, mode=mode)
    except OSError as error:
        raise Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {path}") from None


def _key_of(line: bytes) -> str:
    """Return the key that a line sets, by its proper name, or an empty string."""
    left, equals, _ = line.strip().partition(b"=")
    if not equals or left.startswith(b"#"):
        return ""
    name = left.strip().decode("utf-8", "replace")
    return ALIASES.get(name, name)


def _edited(old: bytes, key: str, value: str) -> bytes:
    """Return the text with the key's last line replaced and its other lines gone."""
    ending = b"\r\n" if b"\r\n" in old else b"\n"
    fresh = [f"{key}={value}".encode()] if value else []
    lines = [line.removesuffix(b"\r") for line in old.split(b"\n")]
    if lines and not lines[-1]:
        lines.pop()
    at = max((index for index, line in enumerate(lines) if _key_of(line) == key), default=len(lines))
    before = [line for line in lines[:at] if _key_of(line) != key]
    return b"".join(line + ending for line in (*before, *fresh, *lines[at + 1 :]))
