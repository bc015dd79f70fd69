"""``use`` and ``rename``: which login Codex uses, and what it is called."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.accounts import default_file
from fetchtoken.codex.renaming import rename_account
from fetchtoken.codex.switch import Switched, use_account
from fetchtoken.commands.asking import Note
from fetchtoken.commands.local_files import LOCKS_S, changing, check_account_name, check_store, find_account
from fetchtoken.domain.errors import ConfigError, FetchTokenError
from fetchtoken.formats.codex import check_login, email_of
from fetchtoken.settings import Settings

__all__ = ["rename", "use"]


def use(settings: Settings, note: Note, *, name: str) -> None:
    """Make an account the default login, for Codex and for the local source; note what was done.

    Args:
        settings: where the files are.
        note: takes lines for people.
        name: the account.

    Raises:
        ConfigError: the name is none, the source is not local, or Codex does not read ``auth.json``.
        FetchTokenError: as :func:`fetchtoken.codex.switch.use_account`.
    """
    find_account(settings, name)
    if "local" not in settings.sources:
        raise ConfigError(
            f"the source is {settings.sources[0]}, and use switches local logins",
            hint=f"codex-fetchtoken config set CODEX_ACCOUNT {name}, or --source local",
        )
    check_store(settings, note)
    with changing(settings.codex_home):
        done = use_account(settings.codex_home, name, time.monotonic() + LOCKS_S)
    for text in _said(name, done):
        note(text)
    _note_what_wins(settings, note, name)


def _said(name: str, done: Switched) -> list[str]:
    if not done.changed:
        lines = [f"nothing to do: {name} is in use already"]
    else:
        email = email_of(done.auth)
        lines = [f"in use now: {name}{f' ({email})' if email else ''}"]
    if done.moved_to:
        lines.append(f"the login that was in use is called {done.moved_to} now")
    if done.aside:
        lines.append(f"an older copy of it was called {done.moved_to}: {done.aside}")
    try:
        check_login(done.auth)
    except FetchTokenError as error:
        lines.append(error.message)
    if done.changed:
        lines.append("restart running Codex processes: they still hold the login that they started with")
    return lines


def _note_what_wins(settings: Settings, note: Note, name: str) -> None:
    """Say so where the settings make the command read another login than ``auth.json``."""
    used = os.path.realpath(default_file(settings.codex_home))
    elsewhere = {
        "CODEX_CREDENTIALS_FILE": settings.credentials_file
        and os.path.realpath(settings.credentials_file) != used,
        "CODEX_ACCOUNT": settings.account not in ("", name),
        "OPENAI_CODEX_PATH": settings.openai_codex_path,
    }
    for key, wins in elsewhere.items():
        if wins:
            note(f"{key} from {settings.origin(key)} still wins in codex-fetchtoken")


def rename(settings: Settings, note: Note, *, old: str, new: str) -> None:
    """Rename an account; note what was done.

    Args:
        settings: where the files are.
        note: takes lines for people.
        old: its name.
        new: its name from then on.

    Raises:
        ConfigError: a name is none, or ``new`` is taken.
        NotFound: there is no account ``old``.
        FetchTokenError: as :func:`fetchtoken.codex.renaming.rename_account`.
    """
    find_account(settings, old)
    check_account_name(new)
    if old == new:
        raise ConfigError(f"the account is called {old} already", hint="take another name")
    with changing(settings.codex_home):
        rename_account(settings.codex_home, old, new, time.monotonic() + LOCKS_S)
    note(f"{old} is called {new} now")
    if settings.account == old:
        note(f"CODEX_ACCOUNT from {settings.origin('CODEX_ACCOUNT')} still names {old}")
