"""Gather the login files that a command was given: one file, a directory as a tool lays it out, or a pipe."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import FetchTokenError, LoginRequired, NotFound
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.names import is_name, is_neighbour
from fetchtoken.formats.detect import OTHER_FILE
from fetchtoken.formats.multi_auth import PENDING
from fetchtoken.formats.places import is_paused, name_of_file
from fetchtoken.logins.reading import Found, parse_found, read_found

__all__ = ["STDIN", "Gathered", "gather", "listed"]

STDIN = "standard input"
_MOST_FILES = 10_000


class Gathered:
    """What was found.

    Args:
        files: with at least one login each.
        skipped: in a directory, what holds another kind of credential: (path, why).
    """

    __slots__ = ("files", "skipped")

    def __init__(self, files: list[Found], skipped: list[tuple[str, str]]) -> None:
        self.files = files
        self.skipped = skipped


def gather(source: str, piped: bytes | None = None) -> Gathered:
    """Read every login file of a source; all of them before anybody acts on one.

    Args:
        source: an absolute path of a file or a directory.
        piped: instead of it, what came by standard input.

    Raises:
        NotFound: there is nothing, or no login in it.
        Unsafe: others can read a file that holds a login.
        Malformed: a file is torn, or, given by its name, no login file.
        LoginRequired: a file, given by its name, holds another kind of credential.
    """
    if piped is not None:
        return Gathered([parse_found(piped, STDIN)], [])
    if not os.path.isdir(source):
        return Gathered([_told(read_found(source))], [])
    files, skipped = [], []
    seen: set[str] = set()
    for path in listed(source):
        if (real := os.path.realpath(path)) in seen:
            continue  # two names of one file are one copy, which could not be locked twice
        seen.add(real)
        try:
            read_found(path, private=False)
        except FetchTokenError as error:
            if error.code != OTHER_FILE:
                raise
            if isinstance(error, LoginRequired):
                skipped.append((path, error.message.removeprefix(path).lstrip(": ")))
            continue
        files.append(_told(read_found(path)))
    if not files:
        raise NotFound(f"{source} holds no login file", hint="name the file itself")
    return Gathered(files, skipped)


def listed(directory: str) -> list[str]:
    """Return the JSON files of a directory and of those right in it, without what is no login by its name.

    Locks, backups, attempts and registries of the tools are left out.

    Raises:
        NotFound: it cannot be read.
    """
    found = []
    try:
        for folder in (directory, *sorted(_folders(directory))):
            names = sorted(name for name in os.listdir(folder) if _is_login_name(name))
            found += [os.path.join(folder, name) for name in names]
    except OSError as error:
        raise NotFound(
            f"{error.filename or directory} cannot be read: {error.strerror}", hint=f"ls -ld {directory}"
        ) from None
    return found[:_MOST_FILES]


def _folders(directory: str) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _is_login_name(name: str) -> bool:
    if not name.endswith(".json") or name.startswith(".") or name.endswith(PENDING):
        return False
    return name.endswith(".auth.json") or not is_neighbour(name.removesuffix(".json"))


def _told(found: Found) -> Found:
    """Add what only the place of a file says: a nickname, and that CCS has put it aside."""
    names = _nicknames(found.path)
    for login in found.logins:
        own = login.nickname or names or name_of_file(found.path)
        login.nickname = own.lower() if is_name(own.lower()) else ""
        login.disabled = login.disabled or is_paused(found.path)
    return found


def _nicknames(path: str) -> str:
    """Return what CCS calls the account of a token file, by the list beside its directory."""
    directory, name = os.path.split(path)
    if os.path.basename(directory) not in ("auth", "auth-paused"):
        return ""
    try:
        with open(os.path.join(os.path.dirname(directory), "accounts.json"), encoding="utf-8") as file:
            document = loads(file.read(1 << 20))
    except (OSError, ValueError):
        return ""  # a name is only a help
    accounts = _at(document, "providers", "codex", "accounts")
    for account in map(_at, accounts.values()):
        if account.get("tokenFile") == name and isinstance(nickname := account.get("nickname"), str):
            return nickname
    return ""


def _at(value: object, *keys: str) -> dict[str, object]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
