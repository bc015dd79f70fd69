"""``import``: logins of other tools into ``$CODEX_HOME/accounts``, with nothing rotated.

With ``--neutralise`` the source loses its refresh token, in an order that no crash can break: the login
is durable here under a name that nothing uses; the source is rewritten, access-only; then the login
gets its name. Run again, the command goes on from wherever it was stopped.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.settled import refuse_unsettled
from fetchtoken.commands.account_files import WAITING, AccountFiles, Place
from fetchtoken.commands.asking import Note
from fetchtoken.commands.imported import Imported
from fetchtoken.domain.errors import ConfigError, Unavailable, Unsafe
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.files.atomic import fsync_dir, replace_file
from fetchtoken.formats.choose import Chosen, choose, is_same
from fetchtoken.formats.codex_login import codex_document
from fetchtoken.formats.login import Login
from fetchtoken.formats.places import Tool, tool_at
from fetchtoken.logins.gather import gather
from fetchtoken.logins.hold import hold
from fetchtoken.logins.neutralise import access_only_text, check_neutral, refuse_kept
from fetchtoken.logins.reading import Found, read_found

__all__ = ["import_logins"]

_LOCKS_S = 20.0


def import_logins(  # noqa: PLR0913 - the command's options, and where its words go
    codex_home: str,
    note: Note,
    *,
    source: str,
    piped: bytes | None = None,
    name: str = "",
    neutralise: bool = False,
) -> list[Imported]:
    """Bring logins in; every file is read and judged before the first is written.

    Args:
        codex_home: below which ``accounts`` lies.
        note: takes lines for people.
        source: an absolute path of a file or directory.
        piped: what came by standard input instead.
        name: for a single login.
        neutralise: take the refresh token out of the source.

    Raises:
        ConfigError: a name that does not fit, an old copy, a format without an access-only shape.
        FetchTokenError: as :func:`fetchtoken.logins.gather.gather`.
    """
    if neutralise and piped is not None:
        raise ConfigError("standard input cannot be made access-only", hint="give the file itself")
    gathered = gather(source, piped)
    for path, why in gathered.skipped:
        note(f"skipped {path}: {why}")
    files = {id(login): found for found in gathered.files for login in found.logins}
    groups = choose(login for found in gathered.files for login in found.logins)
    if name and len(groups) > 1:
        raise ConfigError("--name fits one login, not several", hint="import them one by one")
    for found in gathered.files if neutralise else ():
        refuse_kept(found.form, found.path, instead="import it without --neutralise")
    work = _Work(AccountFiles(codex_home), note, neutralise=neutralise, single=len(groups) == 1)
    planned = [(group, place) for group in groups if (place := work.plan(group, name)) is not None]
    return [work.carry_out(group, place, files) for group, place in planned]


class _Work:
    """One run of the command."""

    def __init__(self, held: AccountFiles, note: Note, *, neutralise: bool, single: bool) -> None:
        self._held = held
        self._note = note
        self._neutralise = neutralise
        self._single = single

    def plan(self, group: Chosen, name: str) -> Place | None:
        """Return where a login goes; ``None`` with a note where, among several, it is an old copy."""
        login = self._login(group)
        if not login.identity[0]:
            raise ConfigError(
                f"{login.where} does not say which account it belongs to",
                hint="log in again with codex-fetchtoken login",
            )
        try:
            place = self._held.place_for(login, name)
            if self._neutralise:
                _refuse_loss(group, login if place.is_new or place.held is None else place.held)
        except (ConfigError, Unsafe) as error:
            if self._single or not (error.code == "older" or isinstance(error, Unsafe)):
                raise
            self._note(f"left alone: {error.message}")
            return None
        self._held.taken.add(place.name)
        return place

    def carry_out(self, group: Chosen, place: Place, files: dict[int, Found]) -> Imported:
        """Write the login, say who else holds it, and with ``--neutralise`` take it away from them."""
        login = self._login(group)
        copies = [group.login, *group.others]
        sources = {found.path: found for copy in copies if (found := files[id(copy)])}
        own = os.path.realpath(self._held.path(place.name))
        others = {path: found for path, found in sources.items() if os.path.realpath(path) != own}
        rewritten: list[str] = []
        if self._neutralise or login is not group.login:
            rewritten = self._take_over(login, place, others)
        elif place.is_new:
            self._copy(login, place, others)
        if place.is_new:
            self._held.added(place.name, login)
        imported = Imported(
            account=place.name,
            login=login if place.is_new or place.held is None else place.held,
            source=files[id(group.login)].path,
            changed=place.is_new,
            duplicates=[path for copy in group.others if (path := files[id(copy)].path) in others],
            neutralised=rewritten,
        )
        self._tell(imported, others)
        return imported

    def _login(self, group: Chosen) -> Login:
        """Return what to store: the newest copy, or what a stopped run has put by and nobody overtook."""
        came, waiting = group.login, self._held.waiting_for(group.login)
        if waiting is None or came.refresh_token == waiting[1].refresh_token:
            return came
        return came if came.refresh_token and came.age_key > waiting[1].age_key else waiting[1]

    def _copy(self, login: Login, place: Place, sources: dict[str, Found]) -> None:
        """Store a login whose source stays as it is."""
        with ExitStack() as locks:
            for found in sources.values():
                _hold_if_possible(found, locks)
            self._unchanged(sources)
            self._lock(place, locks)
            self._write(self._held.path(place.name), login)
            self._drop_waiting(place.name, login)

    def _take_over(self, login: Login, place: Place, sources: dict[str, Found]) -> list[str]:
        """Store a login and, if asked, make every source access-only; return which were rewritten.

        What goes into the sources is made before anything is stored, so that nothing but the disk
        can end this in the middle.
        """
        target = self._held.path(place.name)
        texts: dict[str, str] = {}
        with ExitStack() as locks:
            reals = {path: os.path.realpath(path) for path in sources}
            for path, found in sources.items():
                locks.enter_context(hold(reals[path], found.form.key, named=path))
            self._unchanged(sources)
            for path, found in sources.items() if self._neutralise else ():
                check_neutral(found, reals[path], then="import again")
                if any(copy.refresh_token for copy in found.logins):
                    texts[path] = access_only_text(found, login.token(), now_s=time.time())
            self._lock(place, locks)
            if place.is_new:
                self._write(target + WAITING, login)
            for path, text in texts.items():
                _rewrite(path, reals[path], text)
            if place.is_new:
                os.replace(target + WAITING, target)
                fsync_dir(self._held.directory)
        return list(texts)

    def _unchanged(self, sources: dict[str, Found]) -> None:
        """Read every file a second time, now that its owner cannot write."""
        for path, found in sources.items():
            if os.path.isabs(path) and read_found(path).digest != found.digest:
                raise Unavailable(f"{path} has just been changed", hint="import it again")

    def _lock(self, place: Place, locks: ExitStack) -> None:
        path = self._held.path(place.name)
        try:
            os.makedirs(self._held.directory, mode=0o700, exist_ok=True)
            locks.enter_context(auth_locks(path, self._held.codex_home, time.monotonic() + _LOCKS_S))
        except OSError as error:
            raise Unsafe(
                f"{error.filename or path} cannot be written: {error.strerror}",
                hint=f"ls -ld {self._held.directory}",
            ) from None
        self._held.refuse_changed(place)
        if place.held is not None and place.is_new and place.held.refresh_token:
            refuse_unsettled(path, place.held.refresh_token, then="import again")

    def _write(self, path: str, login: Login) -> None:
        text = dumps(codex_document(login, now_s=time.time()), indent=2) + "\n"
        try:
            replace_file(path, text.encode())
        except OSError as error:
            raise Unsafe(
                f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {self._held.directory}"
            ) from None

    def _drop_waiting(self, name: str, login: Login) -> None:
        """Forget what a stopped run has put by, now that the account holds it or something newer."""
        waiting = self._held.waiting.get(name)
        if waiting is not None and is_same(waiting, login):
            os.unlink(self._held.path(name) + WAITING)

    def _tell(self, imported: Imported, sources: dict[str, Found]) -> None:
        """Say what a person must know: who else refreshes, what ends, what was only a copy."""
        login, name = imported.login, imported.account
        for path in imported.duplicates:
            self._note(f"{path} is another copy of {name}, held by {_tool(sources[path]).name}")
        for path in imported.neutralised:
            owner = _tool(sources[path]).name
            self._note(f"{path} now holds an access token only, until {_end(login)}; restart {owner}")
        for path, found in sources.items():
            if path in imported.neutralised or not any(copy.refresh_token for copy in found.logins):
                continue
            tool = _tool(found)
            self._note(
                f"{tool.name} still holds the refresh token of {name} ({path}): whoever uses it second ends"
                f" the login; {tool.stop}" + _or_neutralise(found)
            )
        if login.disabled:
            self._note(f"{name} was disabled in {tool_at(imported.source, login.form).name}")
        if not login.refresh_token:
            self._note(f"{name} has no refresh token: it ends {_end(login)}")


def _tool(found: Found) -> Tool:
    return tool_at(found.path, found.form.key)


def _or_neutralise(found: Found) -> str:
    able = found.form.access_only is not None and os.path.isabs(found.path)
    return ", or import it with --neutralise" if able else ""


def _end(login: Login) -> str:
    return "at an unknown time" if login.expires_at is None else to_rfc3339(login.expires_at)


def _hold_if_possible(found: Found, locks: ExitStack) -> None:
    """Hold a source that is only read; where no lock file can be made beside it, reading twice must do."""
    if not os.path.isabs(found.path):
        return
    try:
        locks.enter_context(hold(os.path.realpath(found.path), found.form.key, named=found.path))
    except Unsafe:
        return


def _refuse_loss(group: Chosen, kept: Login) -> None:
    """Raise where rewriting the copies would leave a login that could be refreshed nowhere.

    Args:
        group: the copies.
        kept: what the account would hold.

    Raises:
        Unsafe: a copy that was not chosen has a refresh token, and the account would have none.
    """
    lost = next((copy for copy in (group.login, *group.others) if copy.refresh_token), None)
    if lost is not None and not kept.refresh_token:
        raise Unsafe(
            f"{lost.where} holds the refresh token of a login of which {group.login.where}, which is newer,"
            " holds an access token only",
            hint=f"import {lost.where} by itself, if nobody else has refreshed that login since",
        )


def _rewrite(path: str, real: str, text: str) -> None:
    try:
        replace_file(real, text.encode())
    except OSError as error:
        raise Unsafe(
            f"{path} cannot be made access-only: {error.strerror}; the login waits in accounts",
            hint="free or mend the disk, then run the same command again",
        ) from None
