"""``refresh``: renew local logins when they are due, for cron and timers."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.config import store_mode
from fetchtoken.codex.local_attempt import attempt_path
from fetchtoken.codex.refresh_file import is_due
from fetchtoken.commands.asking import Note, request_for
from fetchtoken.commands.local_files import all_files, twins
from fetchtoken.domain.errors import ConfigError, FetchTokenError, LoginRequired, NotFound, Unsafe
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.names import check_name
from fetchtoken.domain.token import CODEX_WINDOW_S, refresh_due_at
from fetchtoken.formats.codex import ACCESS_ONLY, AuthFile
from fetchtoken.settings import Settings
from fetchtoken.sources.keyring import read_keyring
from fetchtoken.sources.local import check_account, find_file, load
from fetchtoken.sources.local_renewal import carry_out, explain

__all__ = ["refresh"]


def refresh(settings: Settings, note: Note, *, name: str, all_accounts: bool, force: bool) -> None:
    """Refresh the logins that are due, or all that are meant with ``force``; note what was done.

    One that fails does not keep the others from their turn.

    Args:
        settings: where the files are.
        note: takes a line for each login.
        name: the account's name, or an empty string for the configured one.
        all_accounts: the default login and every ``accounts/*.json``.
        force: whether due or not; one in doubt is sent once more.

    Raises:
        FetchTokenError: the first error, after all had their turn.
    """
    if name and all_accounts:
        raise ConfigError("a name and --all contradict each other", hint="leave one out")
    if "local" not in settings.sources:
        who = "the broker" if settings.sources[0] == "remote" else "the SSH host"
        note(f"nothing to do: the source is {settings.sources[0]}, so {who} refreshes")
        return
    account = check_name(name, "account") if name else settings.account
    paths = all_files(settings) if all_accounts else _one_file(settings, account, note)
    copies = twins(paths)
    first: FetchTokenError | None = None
    for path in paths:
        try:
            if path in copies:
                raise _shared(path, copies[path])
            _refresh_file(path, settings, note, account="" if all_accounts else account, force=force)
        except FetchTokenError as error:
            if first is not None:
                note(f"{error.message}")
            first = first or error
    if first is not None:
        raise first


def _one_file(settings: Settings, account: str, note: Note) -> list[str]:
    """Return the file of one account; none where Codex keeps that login in the keyring."""
    named = settings.credentials_file or account or settings.openai_codex_path
    if not named and _in_keyring(settings.codex_home):
        note("nothing to do: Codex keeps its login in the keyring and renews it itself")
        return []
    return [find_file(settings, account)]


def _in_keyring(codex_home: str) -> bool:
    mode = store_mode(codex_home)
    if mode != "auto":
        return mode != "file"
    try:
        return read_keyring(codex_home) is not None
    except FetchTokenError:
        return False


def _shared(path: str, other: str) -> Unsafe:
    return Unsafe(
        f"{path} and {other} hold the same login, and a refresh of one would end the other",
        hint="keep one of them, and make the other a link to it",
    )


def _refresh_file(path: str, settings: Settings, note: Note, *, account: str, force: bool) -> None:
    """Refresh one file, or note why that is not needed or not possible."""
    try:
        auth = load(path)
    except (NotFound, LoginRequired) as error:
        note(f"nothing to do: {error.message}")
        return
    check_account(auth, settings, account)
    if not auth.refresh_token:
        _note_without_refresh_token(auth, note)
        return
    if not force and not os.path.exists(attempt_path(path)) and not _due(auth):
        note(f"nothing to do: {path} is due {_due_at(auth)}")
        return
    request = request_for(settings, note, min_valid_s=0, force=force)
    expired = auth.token().seconds_left(time.time()) < CODEX_WINDOW_S
    report = carry_out(auth, settings, request, when_due=not force, replay=force or expired)
    token = load(path).token()
    if report.status == "fresh":
        note(f"nothing to do: {path} is due {_due_at(load(path))}")
        return
    if report.status != "refreshed":
        raise explain(path, token, request, report)
    until = "an unknown time" if token.expires_at is None else to_rfc3339(token.expires_at)
    note(f"refreshed: {path} is good until {until}")


def _note_without_refresh_token(auth: AuthFile, note: Note) -> None:
    if auth.kind == ACCESS_ONLY:
        note(f"nothing to do: {auth.name} is access-only; codex-fetchtoken sync keeps it fresh")
    elif auth.token().seconds_left(time.time()) < CODEX_WINDOW_S:
        raise LoginRequired(
            f"{auth.name}: the token is expired and there is no refresh token", hint="codex-fetchtoken login"
        )
    else:
        note(f"nothing to do: {auth.name} has no refresh token")


def _due(auth: AuthFile) -> bool:
    return is_due(auth.token(), auth.last_refresh, time.time())


def _due_at(auth: AuthFile) -> str:
    """Return when a login is due, for people."""
    token = auth.token()
    issued_at = token.issued_at if token.issued_at is not None else auth.last_refresh
    if token.expires_at is None or issued_at is None:
        return "at a time that its token does not say"
    return to_rfc3339(refresh_due_at(issued_at, token.expires_at))
