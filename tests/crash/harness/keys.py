"""Row 11, its key part: the master key is changed under a load of exchanges while the broker is killed."""

import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import Any

from broker.admin.client import SocketCaller
from broker.cli.rotating import rotate_keys
from fetchtoken.domain.errors import FetchTokenError
from tests.crash.harness.books import Books
from tests.crash.harness.figures import Figures
from tests.crash.harness.world import World
from tests.support.boxes import closed_boxes, unreadable_journals
from tests.support.issuer import start_issuer_process

__all__ = ["KeyFigures", "run_key_rotations"]

_LANES = 2
_ACCOUNTS = 6
_FIRST_WINDOW_S = 0.5
_BEYOND_A_CHANGE = 1.2
_REWRAPPING_S = 0.15
"""Most of a change is waiting for exchanges; half of the kills fall into its busy beginning."""
_WITHOUT_A_DAEMON = 0.25
"""Part of the changes that are gone on with by a command that opens the store itself."""
_GONE = (FetchTokenError, OSError, HTTPException)
"""What a caller of a killed daemon meets."""


@dataclass(slots=True, kw_only=True)
class KeyFigures(Figures):
    """The figures of kills, and how many changes of key came to their end."""

    changes: int = 0

    def add(self, other: Figures) -> None:
        """Take in what another lane of the same row came to."""
        Figures.add(self, other)
        if isinstance(other, KeyFigures):
            self.changes += other.changes

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**Figures.to_document(self), "changes_of_key": self.changes}

    def to_text(self) -> str:
        """Return it as lines for people."""
        head, *lines = Figures.to_text(self).splitlines()
        return "\n".join([head, f"  changes of key that came to their end: {self.changes}", *lines])


def run_key_rotations(
    count: int, *, seed: int, tell: Callable[[], None] = lambda: None, lanes: int = _LANES
) -> KeyFigures:
    """Begin so many changes of key and kill the broker at a random instant of each.

    After each kill every box and every journal file must open with the key file that is there; in the
    end one key is left, every account is exchanged once more, and the issuer's log is read.

    Args:
        count: changes begun.
        seed: of every chance that is ours.
        tell: called after each, from several threads.
        lanes: worlds that run side by side.
    """
    figures = KeyFigures(what="changes of key under load, broker killed")
    shares = [count // lanes + (number < count % lanes) for number in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        running = [
            pool.submit(_run_lane, share, f"{seed}/keys/{number}", tell)
            for number, share in enumerate(shares)
            if share
        ]
        for lane in running:
            figures.add(lane.result())
    return figures


def _run_lane(count: int, seed: str, tell: Callable[[], None]) -> KeyFigures:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="keys-") as name:
        root = Path(name)
        with start_issuer_process(root) as (issuer, _):
            return _KeyLane(World(root, issuer, rng, accounts=_ACCOUNTS), rng).run(count, tell)


class _KeyLane:
    """Changes of key in one world, one after the other."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._books = Books(world)
        self._figures = KeyFigures(what="")
        self._changes_s: list[float] = []

    def run(self, count: int, tell: Callable[[], None]) -> KeyFigures:
        try:
            self._world.found().kill()
            for _ in range(count):
                self._change_and_kill()
                tell()
            self._serve()
            self._change()
            left = [key["key_id"] for key in self._world.call("key_list")]
            if len(left) != 1:
                self._figures.wrong.append(f"at the end keys {left} are left")
            self._books.close(self._figures)
        finally:
            self._world.end()
        self._check_boxes("at the end")
        return self._figures

    def _change_and_kill(self) -> None:
        victim = self._serve()
        busy = [threading.Thread(target=act, daemon=True) for act in (self._exchange, self._change)]
        for thread in busy:
            thread.start()
        victim.live(
            self._rng.uniform(0, _BEYOND_A_CHANGE * median(self._changes_s[-9:] or [_FIRST_WINDOW_S]))
        )
        victim.kill()
        for thread in busy:
            thread.join()
        self._figures.kills += 1
        self._figures.in_flight += self._books.are_attempts_open()
        self._check_boxes(f"after kill {self._figures.kills}")
        if self._rng.random() < _WITHOUT_A_DAEMON:
            ran = self._world.machine.broker("key", "rotate")
            if ran.code:
                self._figures.wrong.append(f"key rotate without a daemon: {ran}")
            self._check_boxes(f"after going on without a daemon, kill {self._figures.kills}")

    def _serve(self) -> Any:
        victim = self._world.start()
        victim.until_ready()
        self._figures.recoveries_s.append(victim.until_serving(self._world.key))
        self._books.look()
        return victim

    def _exchange(self) -> None:
        """Have all accounts exchanged again and again, until the daemon is gone."""
        with suppress(*_GONE):
            while True:
                self._world.refresh_all()

    def _change(self) -> None:
        """Change the key, by way of the daemon."""
        begun_s = time.monotonic()
        with suppress(*_GONE):
            rotate_keys(SocketCaller(self._world.home / "admin.sock"), keep_old=False)
            self._changes_s.append(time.monotonic() - begun_s)
            self._figures.changes += 1

    def _check_boxes(self, when: str) -> None:
        for found in (closed_boxes(self._world.home), unreadable_journals(self._world.home)):
            self._figures.wrong += [f"{when}: {each} does not open" for each in found]
