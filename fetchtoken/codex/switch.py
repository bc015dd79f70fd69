"""Make an account the login that Codex uses: ``auth.json`` becomes a link to the account's file.

A refresh token is never copied: the login that stands at ``auth.json`` itself is moved among the
accounts. All under the locks that a refresh of either takes, and in an order in which a kill at any
instant leaves each login in one place, with what is known of its last exchange beside it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from fetchtoken.codex.accounts import account_file, account_names, default_file
from fetchtoken.codex.local_attempt import carry, remove
from fetchtoken.codex.locks import file_locks, home_lock
from fetchtoken.domain.errors import FetchTokenError, NotFound
from fetchtoken.domain.nickname import nickname
from fetchtoken.files.atomic import fsync_dir, replace_link
from fetchtoken.files.guard import read_private
from fetchtoken.formats.codex import AuthFile, email_of, identity, parse_auth_file

__all__ = ["Switched", "read_login", "use_account"]


@dataclass(frozen=True, slots=True)
class Switched:
    """What :func:`use_account` did."""

    auth: AuthFile
    """The account's file."""
    changed: bool
    moved_to: str = ""
    """The name that the login which stood at ``auth.json`` has now."""
    aside: str = ""
    """Where an older file of that name lies now."""


@dataclass(frozen=True, slots=True)
class _Move:
    """Where the login at ``auth.json`` goes, so that the link can take its place."""

    name: str
    place: str


def read_login(path: str) -> AuthFile:
    """Read and parse an auth file, whatever kind of credential it holds.

    Raises:
        NotFound: there is none, or an empty one.
        Malformed: it is not Codex's.
        Unsafe: others can read it.
    """
    return parse_auth_file(read_private(path), path)


def use_account(codex_home: str, name: str, deadline_s: float) -> Switched:
    """Make ``auth.json`` a link to an account's file.

    Args:
        codex_home: the Codex home.
        name: an account with a file.
        deadline_s: ``time.monotonic()`` seconds at which to give up waiting for locks.

    Raises:
        NotFound, Malformed, Unsafe: as :func:`read_login`, for either file.
        Unavailable: a refresh of either goes on for too long.
        OSError: something cannot be changed; what was not reached stands as it was.
    """
    target, link = account_file(codex_home, name), default_file(codex_home)
    with home_lock(codex_home, deadline_s):
        while True:
            move = _move_for(codex_home, link)
            places = [os.path.realpath(link), move.place] if move else []
            with file_locks([os.path.realpath(target), *places], deadline_s):
                if move == _move_for(codex_home, link):
                    return _turn(link, target, move)


def _turn(link: str, target: str, move: _Move | None) -> Switched:
    """Do it, with every lock held."""
    auth = read_login(target)
    if os.path.realpath(link) == os.path.realpath(target):
        return Switched(auth, changed=False)
    aside, attempt = "", ""
    if move is not None and os.path.islink(link):
        replace_link(move.place, os.path.realpath(link))
    elif move is not None:
        attempt = os.path.realpath(link) + ".attempt"
        aside = _move(link, move.place)
    replace_link(link, os.path.relpath(target, os.path.dirname(link)))
    if attempt:
        remove(attempt)
    return Switched(read_login(target), changed=True, moved_to=move.name if move else "", aside=aside)


def _move(link: str, place: str) -> str:
    """Move a real file among the accounts; return where an older file of that name lies now."""
    token = read_login(link).refresh_token
    aside = ""
    if os.path.exists(place) and not os.path.islink(place):
        # First of all: what is known about the old copy would else be parted from it by the new one's.
        aside = f"{place}.{os.urandom(4).hex()}.backup"
        os.rename(place, aside)
        fsync_dir(os.path.dirname(place))
    carry(os.path.realpath(link) + ".attempt", place + ".attempt", token, now_s=time.time())
    os.rename(link, place)
    fsync_dir(os.path.dirname(place))
    fsync_dir(os.path.dirname(link))
    return aside


def _move_for(codex_home: str, link: str) -> _Move | None:
    """Return where the login at ``auth.json`` must go, or ``None`` where nothing would be lost."""
    real = os.path.realpath(link)
    if not os.path.exists(real):
        return None
    files = {name: account_file(codex_home, name) for name in account_names(codex_home)}
    if os.path.islink(link):
        if any(os.path.realpath(file) == real for file in files.values()):
            return None
        return _to(codex_home, nickname(_email(real), _taken(codex_home)))
    for name, file in files.items():
        if os.path.islink(file) and os.path.realpath(file) == real:
            return _to(codex_home, name)
        if not os.path.islink(file) and os.path.samefile(file, link):
            return None
    try:
        auth = read_login(link)
    except NotFound:
        return None
    others = {name: login for name, file in files.items() if (login := _peek(file)) is not None}
    for name, other in others.items():
        if auth.refresh_token and other.refresh_token == auth.refresh_token:
            # A copy; what is known about its last exchange must stay beside the one that is kept.
            return _to(codex_home, name) if os.path.exists(real + ".attempt") else None
    older = next((name for name, other in others.items() if _is_ahead(auth, other)), "")
    return _to(codex_home, older or nickname(email_of(auth), _taken(codex_home)))


def _to(codex_home: str, name: str) -> _Move:
    path = account_file(codex_home, name)
    return _Move(name, os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))


def _taken(codex_home: str) -> set[str]:
    """Return every name of which a file exists, whoever made it."""
    entries = os.listdir(os.path.dirname(account_file(codex_home, "")))
    return {entry.removesuffix(".json") for entry in entries if entry.endswith(".json")}


def _peek(path: str) -> AuthFile | None:
    try:
        return read_login(path)
    except FetchTokenError:
        return None


def _email(path: str) -> str:
    auth = _peek(path)
    return email_of(auth) if auth is not None else ""


def _is_ahead(auth: AuthFile, other: AuthFile) -> bool:
    """Tell whether another file looks like an old copy of this login, as switching by copying leaves it."""
    if not (auth.refresh_token and other.refresh_token and all(identity(auth))):
        return False
    stamps = [one.token().issued_at or one.last_refresh or 0 for one in (auth, other)]
    return identity(auth) == identity(other) and stamps[0] > stamps[1]
