"""Row 11, backups: taken while accounts rotate and tokens are read, some killed midway, each restored."""

import asyncio
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select

from broker.admin.client import SocketCaller
from broker.domain.account import State
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.sealed import SEALED
from broker.store.store import Store
from fetchtoken.domain.errors import FetchTokenError
from tests.crash.harness.books import Books
from tests.crash.harness.figures import Figures
from tests.crash.harness.victim import Victim
from tests.crash.harness.world import World
from tests.support.command import Ran
from tests.support.daemon import ask
from tests.support.issuer import start_issuer_process
from tests.support.programs import BROKER, Machine
from tests.support.wait import until_sync

__all__ = ["BackupFigures", "run_backups"]

_ACCOUNTS = 4
_SPARED, _OF = 2, 5
"""Of so many backups so many are left alone; in the middle of each other one somebody is killed."""

_PASSPHRASE = "four words for a test"
_AHEAD_S = 200_000
"""By this much a restored broker's clock is ahead: every token is due there, and none expired."""

_PAUSE_S = 0.01


@dataclass(slots=True, kw_only=True)
class BackupFigures:
    """What a run came to."""

    what: str = "backups under load"
    asked: int = 0
    commands_killed: int = 0
    daemons_killed: int = 0
    cut_short: int = 0
    """Backups that a kill left without a file."""
    restored: int = 0
    boxes: int = 0
    """Sealed boxes in restored stores, each of which was opened."""
    reads: int = 0
    """Tokens served by the daemon meanwhile."""
    in_mid_exchange: int = 0
    """Accounts that a backup met in the middle of an exchange."""
    books: Figures = field(default_factory=lambda: Figures(what="by the issuer's log"))
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not self.wrong and self.books.holds and not self.books.doubts

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "what": self.what,
            "backups": self.asked,
            "commands_killed": self.commands_killed,
            "daemons_killed": self.daemons_killed,
            "cut_short": self.cut_short,
            "restored": self.restored,
            "boxes_opened": self.boxes,
            "in_mid_exchange": self.in_mid_exchange,
            "tokens_read": self.reads,
            "rotations": self.books.rotations,
            "losses": len(self.books.losses),
            "generations_sent_again": self.books.reused_at_issuer,
            "wrong": [*self.wrong, *self.books.wrong],
        }

    def to_text(self) -> str:
        """Return it as lines for people."""
        document = self.to_document()
        wrong = document.pop("wrong")
        lines = [f"{document.pop('what')}: {document.pop('backups')}"]
        lines += [f"  {key.replace('_', ' ')}: {value}" for key, value in document.items()]
        return "\n".join(lines + [f"  WRONG: {text}" for text in wrong])


def run_backups(count: int, /, *, seed: int, tell: Callable[[], None] = lambda: None) -> BackupFigures:
    """Take so many backups of a broker at work; restore each that was finished beside the original.

    Args:
        count: backups begun.
        seed: of every chance that is ours.
        tell: called after each.
    """
    with tempfile.TemporaryDirectory(prefix="backups-") as name:
        root = Path(name)
        with start_issuer_process(root) as (issuer, _):
            rng = random.Random(f"{seed}/backups")
            return _Run(World(root, issuer, rng, accounts=_ACCOUNTS), root, rng, tell).run(count)


class _Run:
    def __init__(self, world: World, root: Path, rng: random.Random, tell: Callable[[], None]) -> None:
        self._world = world
        self._root = root
        self._rng = rng
        self._tell = tell
        self._books = Books(world)
        self._figures = BackupFigures()
        self._lasted_s = [1.0]
        self._stop = threading.Event()

    def run(self, count: int) -> BackupFigures:
        try:
            self._world.found()
            with self._load():
                for number in range(count):
                    self._one(number)
                    self._tell()
            self._sweep()
            self._books.close(self._figures.books)
        finally:
            self._world.end()
        return self._figures

    def _sweep(self) -> None:
        """Take one more backup: whatever killed ones left in the home is gone after it."""
        ran = self._world.machine.broker("backup", str(self._root / "last"))
        left = [path.name for path in self._world.home.glob(".backup.*")]
        if ran.code or left:
            self._figures.wrong.append(f"left in the home: {left} after {ran}")

    @contextmanager
    def _load(self) -> Iterator[None]:
        """Rotate accounts and read tokens while the block runs: of four, one or two are always under way."""
        works = (self._rotate, self._rotate, self._read)
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _rotate(self) -> None:
        rng = random.Random(self._rng.random())
        while not self._stop.is_set():
            with suppress(FetchTokenError, OSError, HTTPException):
                self._world.call("account_refresh", name=rng.choice(list(self._world.logins)), force=True)
            self._stop.wait(_PAUSE_S)

    def _read(self) -> None:
        while not self._stop.is_set():
            victim = self._world.victim
            with suppress(OSError, HTTPException):
                if victim is not None and victim.url:
                    self._figures.reads += ask(victim.url, "/codex", key=self._world.key).status == 200
            self._stop.wait(_PAUSE_S)

    def _one(self, number: int) -> None:
        """Begin a backup, kill somebody or nobody, and restore what came of it."""
        with_key = number % 2 == 1
        file = self._root / f"backup-{number}"
        self._figures.asked += 1
        begun_s = time.monotonic()
        process = self._world.machine.start(BROKER, "backup", str(file), *self._key_words(with_key=with_key))
        victim = "nobody"
        if number % _OF >= _SPARED:
            victim = self._rng.choice(["command", "daemon", "both"])
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._rng.uniform(0, 1.1 * median(self._lasted_s)))
            self._kill(victim, process)
        out, err = process.communicate(timeout=60)
        if victim == "nobody":
            self._lasted_s.append(time.monotonic() - begun_s)
            if process.returncode:
                self._figures.wrong.append(f"backup {number} ended with {process.returncode}: {out}{err}")
        if file.exists():
            self._restore(number, file, with_key=with_key)
            file.unlink()
        else:
            self._figures.cut_short += 1
        self._books.look()

    def _kill(self, victim: str, process: "subprocess.Popen[str]") -> None:
        if victim in ("command", "both"):
            process.kill()
            self._figures.commands_killed += 1
        if victim in ("daemon", "both") and self._world.victim is not None:
            self._world.victim.kill()
            self._figures.daemons_killed += 1
            self._world.start().until_ready()

    def _key_words(self, *, with_key: bool) -> list[str]:
        if not with_key:
            return []
        file = self._world.machine.write("passphrase", _PASSPHRASE)
        return ["--with-key", "--passphrase-file", str(file)]

    def _restore(self, number: int, file: Path, *, with_key: bool) -> None:
        """Restore on another machine while the original works, and let the second one live for a while."""
        (self._root / f"other-{number}").mkdir()
        other = Machine(self._root / f"other-{number}")
        home = other.home / ".local" / "state" / "codex-broker"
        home.mkdir(mode=0o700, parents=True)
        self._settle(other, home)
        if not with_key:
            other.write(str(home.relative_to(other.home) / "master.key"), self._key())
        passphrase = other.write("passphrase", _PASSPHRASE)
        words = ["--passphrase-file", str(passphrase)] if with_key else []
        ran = other.broker("restore", str(file), *words)
        if ran.code:
            self._figures.wrong.append(f"backup {number} does not restore: {ran}")
            return
        self._figures.restored += 1
        self._look_into(home, f"backup {number}")
        self._live(other, home, f"backup {number}", ran)
        shutil.rmtree(other.home.parent)

    def _settle(self, other: Machine, home: Path) -> None:
        """Give the second broker the first one's settings, and a clock by which all tokens are due."""
        text = (self._world.home / "broker.toml").read_text()
        text = re.sub(r"offset = (.*)", lambda found: f"offset = {float(found[1]) + _AHEAD_S}", text)
        other.write(str(home.relative_to(other.home) / "broker.toml"), text)

    def _key(self) -> str:
        return (self._world.home / "master.key").read_text()

    def _look_into(self, home: Path, what: str) -> None:
        """Open every box; no account may be of a mind to be exchanged."""

        async def look() -> tuple[int, list[Any]]:
            seal = Seal(load_keyring(home / "master.key"))
            store = await Store.open(f"sqlite:///{home}/broker.db", seal)
            boxes = 0
            try:
                async with store.database.read() as connection:
                    for held in SEALED:
                        for row in await connection.execute(select(held.table)):
                            for column, context in held.contexts.items():
                                if (box := getattr(row, column)) is not None:
                                    seal.open(box, context(row))
                                    boxes += 1
                return boxes, list((await store.snapshot()).accounts)
            finally:
                await store.close()

        boxes, accounts = asyncio.run(look())
        self._figures.boxes += boxes
        self._figures.in_mid_exchange += sum(account.state is State.IN_DOUBT for account in accounts)
        if len(accounts) != _ACCOUNTS:
            self._figures.wrong.append(f"{what} holds {len(accounts)} accounts")
        for account in accounts:
            if not account.restored or account.state not in (State.ACTIVE, State.IN_DOUBT):
                state = f"{account.state}, restored {account.restored}"
                self._figures.wrong.append(f"{what}: {account.name} is {state}")

    def _live(self, other: Machine, home: Path, what: str, ran: Ran) -> None:
        """Serve from the restored home, beside the original: what it sends by itself shows in the log."""
        victim = Victim(other, other.home / "daemon.err")
        try:
            victim.until_ready()
            victim.until_serving(self._world.key)
            caller = SocketCaller(home / "admin.sock")
            outcomes = caller("account_refresh", force=False)
            if any(outcome.get("outcome") == "refreshed" for outcome in outcomes):
                self._figures.wrong.append(f"{what} was exchanged unasked: {outcomes} after {ran.err}")
            until_sync(lambda: ask(victim.url, "/readyz").status == 200)
        finally:
            victim.kill()
