"""The home's journal directory: one file per attempt, sealed.

Where an exchange process cannot write an answer into its file, it makes a second one of the same
name beside the directory, in the home itself. Everything here knows both places.
"""

import errno
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from broker.domain.records import Account
from broker.seal.keyring import Keyring
from fetchtoken.domain.errors import Unsafe
from fetchtoken.files.atomic import replace_file
from fetchtoken.oauth.journal import Entry, JournalKey, Phase, create, inspect, key_ids, remove

__all__ = ["Begun", "Intent", "Journals", "intent_record", "spare_of"]

_SUFFIX = ".journal"
_ID_FILE = "id"
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a journal file says it is about."""

    attempt_id: str
    account: int
    login_id: str
    generation: int


class Begun(NamedTuple):
    """An attempt's file, made."""

    fd: int
    """Its locked descriptor."""
    key: JournalKey
    """What it is sealed with, and whatever is added to it must be, too."""


def spare_of(path: str) -> str:
    """Return where the answer of an attempt goes when its own file takes none."""
    file = Path(path)
    return str(file.parent.parent / file.name)


def intent_record(attempt_id: str, account: Account) -> dict[str, object]:
    """Return what a journal file says that it is about."""
    return {
        "attempt": attempt_id,
        "account": account.id,
        "login_id": account.login_id,
        "generation": account.generation,
    }


def _inspect(path: str, keys: dict[str, JournalKey]) -> Entry:
    """Read one file; one that the disk does not give back is unreadable."""
    try:
        return inspect(path, keys)
    except OSError as error:
        # Short of descriptors or memory nobody can look now, which is no reason to doubt.
        return Entry(Phase.HELD if error.errno in _PASSING else Phase.UNREADABLE)


class Journals:
    """Attempt files below one directory. Every method blocks on the disk.

    Args:
        directory: made 0700 where it is missing.
        keys: the home's keys; new files are sealed with the current one.

    Raises:
        OSError: the directory cannot be made or written.
    """

    def __init__(self, directory: str, keys: Keyring) -> None:
        self._directory = Path(directory)
        self._keys = keys
        self._lock = threading.Lock()
        self._begun_with: Counter[str] = Counter()
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self.journal_id = self._read_id()
        """Names this directory: an intent that names another one cannot be judged from here."""

    def begin(self, attempt_id: str, account: Account) -> Begun:
        """Make an attempt's file, durable and locked, under the key that is current now.

        Raises:
            OSError: it cannot be made durable, so nothing may be sent.
        """
        with self._pinned() as key:
            fd = create(self.path(attempt_id), intent_record(attempt_id, account), key)
        return Begun(fd, key)

    @contextmanager
    def _pinned(self) -> Iterator[JournalKey]:
        """Give the current key, which counts as named until the block ends and the file names it."""
        with self._lock:
            key = JournalKey(*self._keys.derive_current("journal"))
            self._begun_with[key.key_id] += 1
        try:
            yield key
        finally:
            with self._lock:
                self._begun_with[key.key_id] -= 1

    def attempts_by_key(self) -> dict[str, list[str]]:
        """Return which key ids are still named here, and by the files of which attempts.

        A file that is being made just now has no name yet: its key is there without an attempt. Asked
        after another key has become current, this never misses a file of a former one.

        Raises:
            Unsafe: a file cannot be read, so it may be sealed with any key.
        """
        with self._lock:
            found: dict[str, list[str]] = {key_id: [] for key_id, count in self._begun_with.items() if count}
        for attempt_id in self.attempts():
            path = self.path(attempt_id)
            try:
                named = key_ids(path) | key_ids(spare_of(path))
            except OSError as error:
                raise Unsafe(
                    f"the journal file {path} cannot be read: {error.strerror}",
                    hint="mend the disk: it may hold the only copy of a login",
                ) from None
            for key_id in named:
                found.setdefault(key_id, []).append(attempt_id)
        return found

    def look(self, attempt_id: str) -> Entry:
        """Tell how far an attempt got, by its file and by the second one where there is one."""
        ring = self._keys.derive_all("journal")
        keys = {key_id: JournalKey(key_id, key) for key_id, key in ring.items()}
        path = self.path(attempt_id)
        first = _inspect(path, keys)
        if first.phase in (Phase.HELD, Phase.ANSWERED):
            return first
        second = _inspect(spare_of(path), keys)
        # A second file without an answer says nothing: only the first one can tell that nothing was sent.
        return second if second.phase in (Phase.HELD, Phase.ANSWERED) else first

    def forget(self, attempt_id: str) -> None:
        """Remove a settled attempt's files, durably."""
        path = self.path(attempt_id)
        remove(path)
        remove(spare_of(path))

    def attempts(self) -> list[str]:
        """Return the ids of all attempts that have a file; what else lies there is none of ours."""
        places = (self._directory, self._directory.parent)
        found = {path.stem for place in places for path in place.iterdir() if path.suffix == _SUFFIX}
        return sorted(attempt_id for attempt_id in found if attempt_id.isalnum())

    def check(self) -> None:
        """Raise unless a file can be made here now.

        Raises:
            OSError: it cannot.
        """
        path = self._directory / f".{uuid4().hex}.probe"
        path.touch(mode=0o600, exist_ok=False)
        path.unlink()

    def path(self, attempt_id: str) -> str:
        """Return the file of an attempt.

        Raises:
            Unsafe: the id is none of ours.
        """
        if not attempt_id.isalnum():
            raise Unsafe(f"{attempt_id[:40]!r} is no attempt id")
        return str(self._directory / (attempt_id + _SUFFIX))

    @staticmethod
    def intent_of(entry: Entry) -> Intent | None:
        """Return what a file is about, or ``None`` where it does not say."""
        table = entry.intent
        account, generation = table.get("account"), table.get("generation")
        if not isinstance(account, int) or not isinstance(generation, int):
            return None
        return Intent(
            attempt_id=str(table.get("attempt", "")),
            account=account,
            login_id=str(table.get("login_id", "")),
            generation=generation,
        )

    def _read_id(self) -> str:
        path = self._directory / _ID_FILE
        try:
            return path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            name = f"{os.uname().nodename}:{uuid4().hex}"
            replace_file(path, name.encode())
            return name
