"""``$CODEX_HOME/accounts``: what it holds, and which of its files a login that comes in belongs to."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unavailable, Unsafe
from fetchtoken.domain.names import check_name, is_name, is_neighbour
from fetchtoken.domain.nickname import nickname
from fetchtoken.files.guard import read_private
from fetchtoken.formats.choose import is_same
from fetchtoken.formats.codex import parse_auth_file
from fetchtoken.formats.codex_login import login_of
from fetchtoken.formats.login import Login

__all__ = ["WAITING", "AccountFiles", "Place"]

WAITING = ".import"
"""What the name of a login ends with that is durable here, while its source still holds it, too."""


_NOTHING = ""
"""Stands for no file where the tokens of one are compared."""


class Place:
    """Where a login goes.

    Args:
        name: the account's name.
        held: what its file holds now, or ``None`` where there is none.
        is_new: whether the login is not there yet.
    """

    __slots__ = ("held", "is_new", "name")

    def __init__(self, name: str, held: Login | None, *, is_new: bool) -> None:
        self.name = name
        self.held = held
        self.is_new = is_new


class AccountFiles:
    """The directory, as it was when the command began and with what the command adds.

    Args:
        codex_home: the Codex home.
    """

    def __init__(self, codex_home: str) -> None:
        self.codex_home = codex_home
        self.directory = os.path.join(codex_home, "accounts")
        self.logins: dict[str, Login] = {}
        self.waiting: dict[str, Login] = {}
        self.taken: set[str] = set()
        self._seen: dict[str, object] = {}
        for file in _files(self.directory):
            waits = file.endswith(".json" + WAITING)
            name = file.removesuffix(WAITING).removesuffix(".json")
            if not is_name(name) or is_neighbour(name):
                continue
            self.taken.add(name)
            login = _read(os.path.join(self.directory, file))
            self._seen[file] = _tokens(login)
            if login is not None:
                (self.waiting if waits else self.logins)[name] = login

    def path(self, name: str) -> str:
        """Return an account's file."""
        return os.path.join(self.directory, name + ".json")

    def waiting_for(self, login: Login) -> tuple[str, Login] | None:
        """Return name and login of a stopped import of the same user's, where there is one."""
        return next(((name, held) for name, held in self.waiting.items() if is_same(held, login)), None)

    def place_for(self, login: Login, wanted: str) -> Place:
        """Return where a login goes; nothing is written.

        Args:
            login: what comes in.
            wanted: ``--name``, or an empty string.

        Raises:
            ConfigError: the name is taken or not allowed, or it is an older copy of what is held.
            Unsafe: it would replace a refresh token by an access token alone.
        """
        if wanted:
            check_name(wanted, "account")
            if is_neighbour(wanted):
                raise ConfigError(
                    f"accounts/{wanted}.json is another tool's file", hint="choose another name"
                )
        same = next(((name, held) for name, held in self.logins.items() if is_same(held, login)), None)
        if same is None:
            return self._new_place(login, wanted)
        name, held = same
        if wanted not in ("", name):
            raise ConfigError(
                f"{login.where} belongs to the same user as account {name}",
                hint=f"leave --name out, or codex-fetchtoken rename {name} {wanted}",
            )
        is_newer = login.age_key > held.age_key
        if (held.refresh_token, held.access_token) == (login.refresh_token, login.access_token) or (
            held.refresh_token and not login.refresh_token and not is_newer
        ):
            return Place(name, held, is_new=False)
        if login.age_key < held.age_key:
            raise ConfigError(
                f"{login.where} is an old copy: account {name} holds a newer login of the same user",
                hint=f"leave it; codex-fetchtoken --account {name} gives its token",
                code="older",
            )
        if held.refresh_token and not login.refresh_token:
            raise Unsafe(
                f"{login.where} holds an access token only, and account {name} a refresh token, which"
                " would be lost",
                hint=f"leave it; codex-fetchtoken logout {name} first, if that login is to go",
            )
        if held.refresh_token and held.user_id != login.user_id:
            silent = login.where if not login.user_id else self.path(name)
            raise Unsafe(
                f"{silent} does not say which user of its workspace it is, and account {name} holds a refresh"
                " token, which would be lost",
                hint=f"leave it; codex-fetchtoken logout {name} first, if that login is to go",
            )
        return Place(name, held, is_new=True)

    def _new_place(self, login: Login, wanted: str) -> Place:
        if wanted and wanted in self.taken and not self._is_waiting_only(wanted, login):
            raise ConfigError(
                f"{self.path(wanted)} holds another account",
                hint="choose another --name, or leave it out",
            )
        waiting = self.waiting_for(login)
        if waiting is not None and wanted in ("", waiting[0]):
            return Place(waiting[0], None, is_new=True)
        own = login.nickname if login.nickname and not is_neighbour(login.nickname) else ""
        if own in self.taken:
            own = ""
        return Place(wanted or own or nickname(login.email, self.taken), None, is_new=True)

    def _is_waiting_only(self, name: str, login: Login) -> bool:
        held = self.waiting.get(name)
        return held is not None and name not in self.logins and is_same(held, login)

    def refuse_changed(self, place: Place) -> None:
        """Raise where another command has written an account since we looked; the caller holds its lock.

        Raises:
            Unavailable: what was planned may cost another login.
        """
        for file in (place.name + ".json", place.name + ".json" + WAITING):
            path = os.path.join(self.directory, file)
            now = _tokens(_read(path)) if os.path.lexists(path) else _NOTHING
            if now != self._seen.get(file, _NOTHING):
                raise Unavailable(f"{path} has just been changed", hint="import it again")

    def added(self, name: str, login: Login) -> None:
        """Take note of what the command wrote."""
        self.logins[name] = login
        self.taken.add(name)


def _files(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith((".json", ".json" + WAITING)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unsafe(f"{directory} cannot be read: {error.strerror}", hint=f"ls -ld {directory}") from None


def _read(path: str) -> Login | None:
    """Return what a file holds; one that cannot be read only keeps its name taken."""
    try:
        return login_of(parse_auth_file(read_private(path), path))
    except FetchTokenError:
        return None


def _tokens(login: Login | None) -> object:
    """Return what tells two logins in one file apart; ``None`` for a file that cannot be read as one."""
    return None if login is None else (login.refresh_token, login.access_token)
