"""What setup did, written down before it does it: what undo goes by.

One file for each Codex home in ``$XDG_STATE_HOME/codex-fetchtoken``, 0600. It holds what stood in
``config.toml`` where setup changed it, what stood in unit files of the same names, and machine
credentials for as long as they stand nowhere else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import escape, glob
from typing import Any

from fetchtoken.codex.config_change import ConfigChange
from fetchtoken.codex.text_runs import Run
from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import FetchTokenError, Malformed, NotFound, Unsafe
from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.domain.secret import Secret
from fetchtoken.files.atomic import fsync_dir, replace_file, sweep
from fetchtoken.files.guard import read_private
from fetchtoken.files.lock import open_locked

__all__ = ["Record", "Records", "Timer", "peek", "records"]

_FORM = 1
_LOCK_S = 10.0
_PREFIX = "codex-setup-"


@dataclass(frozen=True)
class Timer:
    """What keeps the file fresh.

    Attributes:
        unit: the timer's name; empty where there was no service manager.
        new: the text of each unit file, by path.
        old: what stood at those paths.
        crontab: the line that a person was shown instead.
    """

    unit: str
    new: Mapping[str, str]
    old: Mapping[str, str | None]
    crontab: str = ""


@dataclass(frozen=True)
class Record:
    """One setup.

    Attributes:
        mode: ``file``, ``command`` or ``endpoint``.
        source: ``remote`` or ``ssh``.
        codex_home: the directory that it is about.
        configs: edits of ``config.toml``, of which one is in force; the newest first.
        timer: for ``file``.
        machine: what the broker calls this machine, for ``endpoint``.
        issuer: the broker's base, the same.
        spare: credentials to be revoked, but for one that Codex's file holds.
        asking: the broker was asked for one, and the answer is not known.
        key: the part that is no secret of the credential in Codex's file.
        program: the path of the command that Codex or the timer runs.
        finished: all of it was done.
    """

    mode: str
    source: str
    codex_home: str
    configs: tuple[ConfigChange, ...] = ()
    timer: Timer | None = None
    machine: str = ""
    issuer: str = ""
    spare: tuple[Secret, ...] = ()
    asking: bool = False
    key: str = ""
    program: str = ""
    finished: bool = False


class Records:
    """The record of one Codex home; see :func:`records`."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    def read(self) -> Record | None:
        """Return what was done, or ``None``.

        Raises:
            Malformed: it is damaged.
            Unsafe: others can read it.
        """
        try:
            text = read_private(self._path)
        except NotFound:
            return None
        try:
            return _record(loads(text))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Malformed(
                f"{self._path} is no record of a setup that this version knows",
                hint=f"undo by hand what it names, then remove it: less {self._path}",
            ) from None

    def others(self) -> list[str]:
        """Return the Codex homes that have a record besides this one, as far as they can be read."""
        found = []
        for path in sorted(glob(os.path.join(escape(os.path.dirname(self._path)), f"{_PREFIX}*.json"))):
            with suppress(FetchTokenError):
                record = Records(path).read() if path != self._path else None
                found += [record.codex_home] if record else []
        return found

    def write(self, record: Record) -> None:
        """Write it down, durably."""
        with _explained(self._path):
            replace_file(self._path, dumps({"form": _FORM, **_document(record)}, indent=2).encode())

    def forget(self) -> None:
        """Everything is undone."""
        with _explained(self._path), suppress(FileNotFoundError):
            os.unlink(self._path)
            fsync_dir(os.path.dirname(self._path))


@contextmanager
def records(environ: Mapping[str, str], home: str, codex_home: str) -> Iterator[Records]:
    """Hold the record of a Codex home, so that nobody else sets it up.

    Args:
        environ: says where state is kept (XDG base directories).
        home: the caller's home directory.
        codex_home: the directory, existing or not.

    Raises:
        Unavailable: another setup or undo does not end.
        Unsafe: it cannot be written.
    """
    path = _place(environ, home, codex_home)
    with _explained(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        lock = open_locked(f"{path}.lock", time.monotonic() + _LOCK_S)
    try:
        with _explained(path):
            sweep(path)
        yield Records(path)
    finally:
        os.close(lock)


def peek(environ: Mapping[str, str], home: str, codex_home: str) -> Record | None:
    """Return the record without holding it; arguments as for :func:`records`, errors as of a reading."""
    return Records(_place(environ, home, codex_home)).read()


def _place(environ: Mapping[str, str], home: str, codex_home: str) -> str:
    base = environ.get("XDG_STATE_HOME", "")
    directory = f"{base if os.path.isabs(base) else home + '/.local/state'}/codex-fetchtoken"
    name = sha256_hex(os.path.realpath(codex_home).encode("utf-8", "surrogateescape"))[:16]
    return f"{directory}/{_PREFIX}{name}.json"


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unsafe(
            f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {os.path.dirname(path)}"
        ) from None


def _document(record: Record) -> dict[str, Any]:
    timer = record.timer
    return {
        "mode": record.mode,
        "source": record.source,
        "codex_home": record.codex_home,
        "configs": [
            {
                "new": _written(change.new),
                "old": _written(change.old),
                "runs": [[run.at, run.old, run.new] for run in change.runs],
                "made": change.made,
            }
            for change in record.configs
        ],
        "timer": timer and {"unit": timer.unit, "new": timer.new, "old": timer.old, "crontab": timer.crontab},
        "machine": record.machine,
        "issuer": record.issuer,
        "key": record.key,
        "spare": [credential.reveal() for credential in record.spare],
        "asking": record.asking,
        "program": record.program,
        "finished": record.finished,
    }


def _record(document: Any) -> Record:
    if document.pop("form") != _FORM:
        raise ValueError
    configs = tuple(
        ConfigChange(
            _read(each["new"]),
            _read(each["old"]),
            tuple(Run(int(at), str(old), str(new)) for at, old, new in each["runs"]),
            bool(each["made"]),
        )
        for each in document.pop("configs")
    )
    timer, spare = document.pop("timer"), tuple(Secret(text) for text in document.pop("spare"))
    return Record(configs=configs, timer=timer and Timer(**timer), spare=spare, **document)


def _written(values: Mapping[tuple[str, ...], Any]) -> list[list[Any]]:
    """Return keys with their values as TOML, which knows more kinds of them than JSON."""
    import tomlkit

    texts = {
        key: value if value is None else tomlkit.dumps({"value": value}) for key, value in values.items()
    }
    return [[list(key), text] for key, text in texts.items()]


def _read(pairs: list[list[Any]]) -> dict[tuple[str, ...], Any]:
    from fetchtoken.codex.toml_text import parsed

    return {tuple(key): None if text is None else parsed(text, "the record")["value"] for key, text in pairs}
