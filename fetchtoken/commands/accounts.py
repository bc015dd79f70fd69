"""``accounts``: which logins there are, which is in use, and what is wrong with them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from fetchtoken.codex.accounts import account_file, account_names
from fetchtoken.codex.config import store_mode
from fetchtoken.codex.local_attempt import Verdict, attempt_path, look_back
from fetchtoken.commands.asking import Note, request_for
from fetchtoken.commands.local_files import twins
from fetchtoken.commands.status import refresher
from fetchtoken.domain.errors import ConfigError, FetchTokenError, LoginRequired, NotFound
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.formats.codex import AuthFile, check_login, email_of
from fetchtoken.settings import Settings
from fetchtoken.sources.directory import Served, fetch_accounts
from fetchtoken.sources.keyring import read_keyring
from fetchtoken.sources.local import LOGIN_HINT, find_file, load

__all__ = ["Row", "list_accounts"]

_NOTES = {
    Verdict.IN_DOUBT: "an earlier exchange is in doubt: it was sent, and its answer is unknown",
    Verdict.REFUSED: "the issuer refused its refresh token: log in before it expires",
}


@dataclass(slots=True)
class Row:
    """One account; what is not known is empty."""

    source: str
    name: str = ""
    """Empty for a default login that has none."""
    place: str = ""
    """Its file, the keyring, or the broker."""
    in_use: bool = False
    email: str = ""
    account_id: str = ""
    plan_type: str = ""
    expires_at: float | None = None
    refreshed_by: str = ""
    notes: list[str] = field(default_factory=list)
    problem: FetchTokenError | None = None

    def to_json(self) -> dict[str, object]:
        """Return the row for ``--json``; never a token."""
        error = self.problem
        return {
            "account": self.name or None,
            "source": self.source,
            "place": self.place,
            "in_use": self.in_use,
            "email": self.email or None,
            "account_id": self.account_id or None,
            "plan_type": self.plan_type or None,
            "expires_at": None if self.expires_at is None else to_rfc3339(self.expires_at),
            "refreshed_by": self.refreshed_by or None,
            "notes": self.notes,
            "problem": None
            if error is None
            else {"exit_code": error.exit_code, "message": error.message, "hint": error.hint},
        }


def list_accounts(settings: Settings, note: Note) -> tuple[list[Row], FetchTokenError | None]:
    """Return the accounts of every source, with the first error of a source that cannot list them.

    The broker is asked, the issuer never. A file that is not in order is a row with a problem.
    """
    rows: list[Row] = []
    first: FetchTokenError | None = None
    for source in settings.sources:
        try:
            rows += _of(source, settings, note)
        except FetchTokenError as error:
            first = first or error
    return rows, first


def _of(source: str, settings: Settings, note: Note) -> list[Row]:
    if source == "local":
        return _local(settings)
    if source == "remote":
        served = fetch_accounts(settings, request_for(settings, note))
        return [_served(one, settings) for one in served]
    raise ConfigError("an SSH host does not list its accounts", hint="ssh HOST codex-fetchtoken accounts")


def _served(one: Served, settings: Settings) -> Row:
    row = Row("remote", one.name, settings.remote_url, in_use=one.name == settings.account)
    row.account_id, row.plan_type, row.expires_at = one.account_id, one.plan_type, one.expires_at
    row.refreshed_by = "the broker"
    if one.disabled:
        row.notes.append("it is disabled")
    if one.state not in ("", "active", "refreshing"):
        row.notes.append(f"its state is {one.state}")
    return row


def _local(settings: Settings) -> list[Row]:
    rows = [_default(settings)]
    used = os.path.realpath(rows[0].place)
    for name in account_names(settings.codex_home):
        path = account_file(settings.codex_home, name)
        rows.append(Row("local", name, path, in_use=os.path.realpath(path) == used))
    if any(row.in_use for row in rows[1:]) or _is_nothing(rows[0]):
        del rows[0]
    copies = twins([row.place for row in rows])
    for row in rows:
        if not row.refreshed_by:
            _fill(row)
        if row.place in copies:
            row.notes.append(f"holds the same login as {copies[row.place]}: a refresh of one ends the other")
    return rows


def _is_nothing(row: Row) -> bool:
    return row.problem is None and not row.refreshed_by and not os.path.lexists(row.place)


def _default(settings: Settings) -> Row:
    """Return the row of the default login: a file, or the keyring's entry."""
    named = settings.credentials_file or settings.openai_codex_path
    row = Row("local", place=find_file(settings, ""), in_use=True)
    try:
        mode = "file" if named else store_mode(settings.codex_home)
        if mode == "file":
            return row
        kept = read_keyring(settings.codex_home) if mode != "ephemeral" else None
    except FetchTokenError as error:
        row.place, row.problem = "the keyring", error
        return row
    if kept is not None:
        row.place, row.refreshed_by = "the keyring", "Codex"
        _tell(row, kept)
    elif mode != "auto":
        row.place, row.refreshed_by = f"store {mode}", "Codex"
    return row


def _fill(row: Row) -> None:
    """Say what a file holds, or what is wrong with it."""
    if row.problem is not None:
        return
    try:
        auth = load(row.place)
    except FetchTokenError as error:
        row.problem = error
        if isinstance(error, NotFound) and os.path.islink(row.place):
            where = os.path.realpath(row.place)
            row.problem = NotFound(f"{row.place} leads to {where}, which does not exist", hint=error.hint)
        return
    who = refresher(auth)
    row.refreshed_by = who if row.in_use else who.removesuffix(" and Codex")
    _tell(row, auth)
    past = look_back(attempt_path(row.place), auth.refresh_token, now_s=time.time())
    if past.verdict in _NOTES:
        row.notes.append(_NOTES[past.verdict])


def _tell(row: Row, auth: AuthFile) -> None:
    token = auth.token()
    row.email, row.account_id, row.plan_type = email_of(auth), token.account_id, token.plan_type
    row.expires_at = token.expires_at
    try:
        check_login(auth)
    except FetchTokenError as error:
        row.problem = error
    if not auth.refresh_token and token.seconds_left(time.time()) < CODEX_WINDOW_S and row.problem is None:
        row.problem = LoginRequired(
            f"{row.place}: the token is expired and there is no refresh token", hint=LOGIN_HINT
        )
