"""What the commands that change local logins have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fetchtoken.codex.accounts import account_file, account_names
from fetchtoken.codex.config import store_mode
from fetchtoken.commands.asking import Note
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound, Unavailable, Unsafe
from fetchtoken.domain.names import check_name, is_neighbour
from fetchtoken.settings import Settings
from fetchtoken.sources.keyring import read_keyring
from fetchtoken.sources.local import find_file, load

__all__ = [
    "LOCKS_S",
    "all_files",
    "changing",
    "check_account_name",
    "check_store",
    "find_account",
    "twins",
]

LOCKS_S = 30.0
"""How long to wait for a refresh that holds the locks: it ends by itself before that."""


def check_account_name(name: str) -> str:
    """Return the name of an account that may have a file of ours.

    Raises:
        ConfigError: it is none, or its file would be another tool's.
    """
    check_name(name, "account")
    if is_neighbour(name):
        raise ConfigError(
            f"account name {name!r} is not allowed: {name}.json is another tool's file",
            hint="take another name",
        )
    return name


def find_account(settings: Settings, name: str) -> str:
    """Return the path of an account's file.

    Raises:
        ConfigError: the name is none.
        NotFound: there is no such account; the hint lists those that there are.
    """
    path = account_file(settings.codex_home, check_account_name(name))
    if os.path.lexists(path):
        return path
    known = account_names(settings.codex_home)
    hint = f"use {' or '.join(known)}" if known else f"codex-fetchtoken login {name}"
    raise NotFound(f"no account {name}: {path} does not exist", hint=hint)


def check_store(settings: Settings, note: Note) -> None:
    """Raise where Codex keeps its login elsewhere, so that ``auth.json`` would change nothing.

    Raises:
        ConfigError: in the keyring, or in memory.
    """
    mode = store_mode(settings.codex_home)
    if mode == "file":
        return
    if mode == "auto":
        try:
            kept = read_keyring(settings.codex_home)
        except (ConfigError, Unavailable) as error:
            note(f"{error.message}; auth.json is used")
            return
        if kept is None:
            return
    where = "in memory" if mode == "ephemeral" else "in the keyring"
    raise ConfigError(
        f"Codex keeps its login {where}, not in auth.json (cli_auth_credentials_store = {mode})",
        hint=f'set cli_auth_credentials_store = "file" in {settings.codex_home}/config.toml',
    )


def all_files(settings: Settings) -> list[str]:
    """Return the default login and every account, each real file once."""
    paths = [] if store_mode(settings.codex_home) in ("keyring", "ephemeral") else [find_file(settings, "")]
    paths += [account_file(settings.codex_home, name) for name in account_names(settings.codex_home)]
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def twins(paths: list[str]) -> dict[str, str]:
    """Return, for each file that holds the same refresh token as another one, that other one.

    Tools that switch accounts by copying make them. An exchange of either kills the other, and
    an exchange of both kills the login.
    """
    holders: dict[str, list[str]] = {}
    for path in paths:
        try:
            token = load(path).refresh_token
        except FetchTokenError:
            continue
        if token:
            holders.setdefault(token.fingerprint(), []).append(path)
    return {
        path: same[index - 1] for same in holders.values() if len(same) > 1 for index, path in enumerate(same)
    }


@contextmanager
def changing(place: str) -> Iterator[None]:
    """Turn what the disk says into an error of ours.

    Args:
        place: the directory to look at.

    Raises:
        Unsafe: something could not be changed.
    """
    try:
        yield
    except FetchTokenError:
        raise
    except OSError as error:
        raise Unsafe(
            f"{error.filename or place} cannot be changed: {error.strerror}", hint=f"ls -ld {place}"
        ) from None
