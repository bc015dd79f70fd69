"""The steps of ``codex setup`` and ``codex undo`` that change something besides ``auth.json``.

Each writes down what it is about to do first, and can be done again after it was stopped anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fetchtoken.codex.config_change import changed
from fetchtoken.codex.config_file import ChangedMeanwhile, read_config, write_config
from fetchtoken.codex.setup_record import Record, Records, Timer
from fetchtoken.codex.timer_unit import is_ours
from fetchtoken.codex.toml_text import Key
from fetchtoken.codex.user_manager import UserManager
from fetchtoken.commands.asking import Note
from fetchtoken.commands.codex_plan import base_text
from fetchtoken.domain.errors import NotFound, Unavailable, Unsafe
from fetchtoken.files.atomic import replace_file, sweep
from fetchtoken.files.guard import read_text

__all__ = ["install_timer", "remove_timer", "rewrite_config"]

_TRIES = 5


def rewrite_config(store: Records, record: Record, path: str, keys: Mapping[Key, Any], note: Note) -> Record:
    """Put other keys of ours into ``config.toml`` than those of before, in one step.

    Args:
        store: keeps the record.
        record: what was done so far.
        path: the file.
        keys: values by key; empty to leave nothing of ours.
        note: takes lines for people.

    Returns:
        The record as it is to be written at the end.

    Raises:
        ConfigError: the file is not TOML, or cannot be edited without a change elsewhere.
        Unavailable: others write it all the time.
        Unsafe: it cannot be replaced.
    """
    _sweep([path])
    for _ in range(_TRIES):
        text = read_config(path)
        base, kept = base_text(text or "", record.configs, path)
        made = any(change.made for change in record.configs) or text is None
        after, change = changed(base, keys, path, made=made)
        wanted = None if made and not after.strip() else after
        if wanted == text:
            if keys:
                note(f"{path} is set up already")
            return record if keys else replace(record, configs=())
        store.write(replace(record, configs=(change, *record.configs)))
        try:
            write_config(path, text, wanted)
        except ChangedMeanwhile:
            continue
        _say(path, keys, record, kept, note)
        return replace(record, configs=(change,) if keys else ())
    raise Unavailable(f"{path} changes all the time", hint="try again when the other program has finished")


def _say(path: str, keys: Mapping[Key, Any], record: Record, kept: list[Key], note: Note) -> None:
    for key, value in keys.items():
        name = ".".join(key)
        note(f"{path} now has [{name}]" if isinstance(value, dict) else f"{path} now has {name} = {value}")
    former = {key: value for change in record.configs for key, value in change.old.items()}
    for key, value in former.items():
        if key in keys or key in kept:
            continue
        shown = "" if isinstance(value, dict) or value is None else f" = {value}"
        note(f"{path} {'lost' if value is None else 'has again'} {'.'.join(key)}{shown}")
    for key in kept:
        note(f"{path}: {'.'.join(key)} was changed since, and stays")


def install_timer(manager: UserManager, timer: Timer, note: Note) -> None:
    """Have ``auth.json`` kept fresh; the record names the timer already.

    Raises:
        Unavailable: the service manager does not take it.
        Unsafe: the unit files cannot be written.
    """
    if not timer.unit:
        note("no systemd of this user's answers, so crontab -e must get this line:")
        note(timer.crontab)
        return
    _sweep(timer.new)
    for path, text in timer.new.items():
        if _text(path) != text:
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                replace_file(path, text.encode(), mode=0o644)
            except OSError as error:
                raise _cannot(path, error) from None
            note(f"{path} is written")
    manager.reload()
    manager.start(timer.unit)
    note(f"{timer.unit} runs while you are logged in; with loginctl enable-linger, always")


def remove_timer(manager: UserManager, timer: Timer, note: Note) -> None:
    """Keep ``auth.json`` fresh no longer, and bring back the unit files that stood there before.

    Raises:
        Unsafe: the unit files cannot be changed.
    """
    if timer.crontab:
        note(f"take this line out again with crontab -e, if it is there: {timer.crontab}")
    _sweep(timer.new)
    ours = [path for path in timer.new if is_ours(_text(path) or "")]
    for path in timer.new:
        if path not in ours and _text(path) not in (None, timer.old.get(path)):
            note(f"{path} was changed since, and stays")
    if not ours:
        return
    if manager.is_there:
        manager.stop(timer.unit)
    for path in ours:
        old = timer.old.get(path)
        try:
            if old is None:
                os.unlink(path)
            else:
                replace_file(path, old.encode(), mode=0o644)
        except OSError as error:
            raise _cannot(path, error) from None
        note(f"{path} is {'removed' if old is None else 'as it was before'}")
    _settle(manager, timer)
    if any(timer.old.get(path) is not None for path in ours):
        note(f"{timer.unit} is stopped; if it ran before: systemctl --user enable --now {timer.unit}")


def _settle(manager: UserManager, timer: Timer) -> None:
    """Have the service manager know that the unit files are others, and nothing start the timer."""
    with suppress(OSError):  # where no service manager took it away
        os.unlink(os.path.join(os.path.dirname(next(iter(timer.new))), "timers.target.wants", timer.unit))
    if manager.is_there:
        with suppress(Unavailable):
            manager.reload()


def _sweep(paths: Iterable[str]) -> None:
    """Remove what a kill left beside files of which nobody else of us writes any: we hold the record."""
    for path in paths:
        with suppress(OSError):
            sweep(path)


def _cannot(path: str, error: OSError) -> Unsafe:
    return Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {os.path.dirname(path)}")


def _text(path: str) -> str | None:
    try:
        return read_text(path, private=False)
    except NotFound:
        return None
