"""``codex undo``: take back what ``codex setup`` did, and nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from fetchtoken.codex.config_file import read_config
from fetchtoken.codex.provider import keys_of_ours
from fetchtoken.codex.setup_record import Record, records
from fetchtoken.codex.toml_text import parsed
from fetchtoken.commands.asking import Note
from fetchtoken.commands.codex_machine import retire
from fetchtoken.commands.codex_plan import config_path
from fetchtoken.commands.codex_setup import manager_for
from fetchtoken.commands.codex_steps import remove_timer, rewrite_config
from fetchtoken.commands.sync import clear, fetched
from fetchtoken.domain.errors import FetchTokenError, NotFound, Unavailable
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.token import Token
from fetchtoken.output import quote
from fetchtoken.settings import Settings
from fetchtoken.sources.local import load

__all__ = ["undo"]


def undo(settings: Settings, note: Note) -> None:
    """Undo the setup of a Codex home, as far as nobody has changed things since; nobody is logged out.

    Args:
        settings: whose Codex.
        note: takes a line for each thing that was done or left alone.

    Raises:
        ConfigError: ``config.toml`` is not TOML any more.
        FetchTokenError: the broker does not confirm that a credential has ended; all else is undone.
        Unsafe: files cannot be written.
        Unavailable: another program holds a lock.
        Malformed: the record is damaged.
    """
    with records(settings.environ, settings.home, settings.codex_home) as store:
        record = store.read()
        if record is None:
            note(f"nothing to undo: {settings.codex_home} was not set up")
            for home in store.others():
                note(f"{home} was: undo that with CODEX_HOME={home}")
            _say_left(settings, note)
            return
        record = rewrite_config(store, record, config_path(settings), {}, note)
        store.write(record)
        if record.timer:
            remove_timer(manager_for(settings), record.timer, note)
            record = replace(record, timer=None)
            store.write(record)
        if record.machine:
            try:
                record = retire(settings, store, record, _token(settings, note), note, insist=True)
            except Unavailable as error:
                error.hint += f"; where that is gone for good: rm {quote(store.path, 'bash')}"
                raise
        clear(settings.codex_home)
        _say_login(settings, record, note)
        store.forget()


def _say_left(settings: Settings, note: Note) -> None:
    """Name what a setup left whose record is gone, or is kept for another ``XDG_STATE_HOME``."""
    path = config_path(settings)
    with suppress(FetchTokenError):
        for key in keys_of_ours(parsed(read_config(path) or "", path)):
            note(f"{path} has {key} of a setup that nobody wrote down here: take it out by hand")


def _token(settings: Settings, note: Note) -> Token | None:
    """Return the broker's token, where it gives one: what Codex is left with should last."""
    try:
        return fetched(settings, "remote", note)
    except FetchTokenError:
        return None


def _say_login(settings: Settings, record: Record, note: Note) -> None:
    """Say which login Codex has from now on."""
    path = os.path.join(settings.codex_home, "auth.json")
    try:
        login = load(path)
    except NotFound:
        note(f"Codex has no login in {path}: codex login, or codex-fetchtoken sync")
        return
    except FetchTokenError as error:
        note(f"{path} stays as it is: {error.message}")
        return
    if login.refresh_token:
        note(f"{path} holds a login of its own, and stays as it is")
        return
    expires = login.token().expires_at
    until = "an unknown time" if expires is None else to_rfc3339(expires)
    word = "stays, and is no longer kept fresh" if record.mode != "command" else "stays"
    note(f"{path} {word}: good until {until}; codex logout removes it")
