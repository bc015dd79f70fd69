"""Row 5: system calls that fail by ``strace`` in mid-refresh: nothing confirmed is lost, nothing is silent.

A seeded choice of call, turn and error meets the local command or the broker's, each with a login of
its own. The strict issuer's log and a clean run afterwards judge.
"""

import asyncio
import random
import re
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

from broker.domain.account import State
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.store import Store
from tests.support.broker import BROKER, Broker
from tests.support.command import Ran
from tests.support.issuer import Issuer, issuer_in_thread
from tests.support.laptop import STALE, Laptop
from tests.support.need import need_program
from tests.support.wait import until
from tests.unit.refresh.conftest import World

__all__ = ["Injected", "run_injections"]

_CALLS = ("fallocate", "fdatasync", "fsync", "ftruncate", "openat", "pwrite64", "rename", "write")
_ERRORS = ("EIO", "ENOSPC")
_SUBJECTS = ("local", "local", "broker")
"""In turns."""

_TOLD_IN_VAIN = re.compile(r"(?m)^\d+ +write\(2, .*\(INJECTED\)$")
"""The words for people were written, to a standard error that took none."""

_LIMIT_S = 120
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Injection:
    """One call that fails, in one of the two programs."""

    subject: str
    call: str
    error: str
    turn: int

    def __str__(self) -> str:
        return f"{self.subject}: {self.call} number {self.turn} fails with {self.error}"


@dataclass(frozen=True)
class Verdict:
    """What an injection came to: ``held``, ``in doubt``, ``lost`` or ``silent``."""

    injection: Injection
    end: str
    hit: bool
    """Whether the call was made that often."""
    ran: Ran


@dataclass(slots=True)
class Injected:
    """What all of them came to."""

    failed: int = 0
    """Calls that failed."""
    missed: int = 0
    """Further runs, in which the call was not made that often."""
    ends: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """A line for each that broke a promise."""

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not self.broken

    def take(self, verdict: Verdict) -> None:
        """Enter one."""
        self.failed += verdict.hit
        self.missed += not verdict.hit
        if verdict.hit:
            self.ends[verdict.end] += 1
            self.calls[verdict.injection.call] += 1
            self.codes[verdict.ran.code] += 1
        if verdict.end in ("lost", "silent"):
            self.broken.append(f"{verdict.end}: {verdict.injection}: {verdict.ran}")

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "what": "failing system calls",
            "failed_calls": self.failed,
            "runs_without": self.missed,
            **{end.replace(" ", "_"): self.ends[end] for end in ("held", "in doubt", "lost", "silent")},
            "calls": dict(sorted(self.calls.items())),
            "exit_codes": {str(code): count for code, count in sorted(self.codes.items())},
            "wrong": self.broken,
        }

    def to_text(self) -> str:
        """Return it as lines for people."""
        ends = ", ".join(f"{self.ends[end]} {end}" for end in ("held", "in doubt", "lost", "silent"))
        calls = ", ".join(f"{call} {count}" for call, count in sorted(self.calls.items()))
        lines = [f"failing system calls: {self.failed}: {ends}", f"  {calls}"]
        return "\n".join(lines + [f"  WRONG: {text}" for text in self.broken])


def run_injections(count: int, *, seed: int, tell: Callable[[], None] = lambda: None) -> Injected:
    """Let so many system calls fail.

    Args:
        count: calls; two thirds meet the local command, one third ``codex-broker account refresh``.
        seed: of the choice; the same seed chooses the same.
        tell: called after each.
    """
    chance = random.Random(seed)
    found = Injected()
    with tempfile.TemporaryDirectory() as name, issuer_in_thread() as issuer, ThreadPoolExecutor(2) as pool:
        stage = _Stage(Path(name), issuer)
        # A call that is not made that often fails nowhere, and another try is due.
        while found.failed < count and found.holds:
            for verdict in pool.map(stage.run, [stage.choose(chance) for _ in range(count - found.failed)]):
                found.take(verdict)
                if verdict.hit:
                    tell()
    return found


class _Stage:
    """The issuer, and a broker home without accounts to copy."""

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self._root = root
        self._issuer = issuer
        self._strace = need_program("strace", "strace")
        # Commands that run in this process change its environment for a moment.
        self._alone = threading.Lock()
        self._template = Broker(root / "template", issuer)
        self._template.root.mkdir()
        assert self._template.run("init").code == 0
        self._runs = count()
        self._turns = {subject: self._counted(subject) for subject in sorted({*_SUBJECTS})}
        self._subjects = cycle(_SUBJECTS)

    def choose(self, chance: random.Random) -> Injection:
        """Choose the next subject in turn, and one of its calls, its turn and its error by chance."""
        subject = next(self._subjects)
        turns = self._turns[subject]
        call = chance.choice(sorted(turns))
        return Injection(subject, call, chance.choice(_ERRORS), chance.randint(1, turns[call]))

    def _counted(self, subject: str) -> dict[str, int]:
        """Run it undisturbed; return how often the one of its processes that does so most makes each call."""
        root = self._place()
        trace = root / "trace"
        before = (self._strace, "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(_CALLS)}")
        (self._local if subject == "local" else self._broker)(root, before)
        counts = Counter(re.findall(r"(?m)^(\d+) +(\w+)\(", trace.read_text()))
        return {call: max(of for (_, name), of in counts.items() if name == call) for _, call in counts}

    def _place(self) -> Path:
        root = self._root / str(next(self._runs))
        root.mkdir()
        return root

    def run(self, injection: Injection) -> Verdict:
        """Let one call fail."""
        root = self._place()
        trace = root / "trace"
        before = (
            *(self._strace, "-f", "--seccomp-bpf", "-qq", "-o", str(trace)),
            *("-e", f"trace={injection.call}", "-e", "signal=none"),
            *("-e", f"inject={injection.call}:error={injection.error}:when={injection.turn}"),
        )
        judge = self._local if injection.subject == "local" else self._broker
        end, ran = judge(root, before)
        calls = trace.read_text()
        if end != "lost" and (not ran.out.strip() if ran.code == 0 else not ran.err.strip()):
            end = "silent"
        if end == "silent" and _TOLD_IN_VAIN.search(calls):
            end = "held"
        return Verdict(injection, end, "(INJECTED)" in calls, ran)

    def _local(self, root: Path, before: tuple[str, ...]) -> tuple[str, Ran]:
        """Force a refresh of an auth file, then ask once more in peace."""
        laptop = Laptop(root, self._issuer)
        login = laptop.log_in(**STALE)
        ran = laptop.run("--force-refresh", before=before)
        clean = laptop.run("--min-valid", "0")
        if clean.code != 0 or clean.out.strip() != laptop.access_token:
            return "lost", clean
        printed = ran.out.strip()
        if ran.code == 0 and printed not in (clean.out.strip(), login.access_token):
            return "lost", ran
        end = self._alive(login.login_id, laptop.document()["tokens"]["refresh_token"], clean.err)
        if end != "lost" and ran.code == 0 and printed == login.access_token and not ran.err.strip():
            return "silent", ran
        return end, ran

    def _broker(self, root: Path, before: tuple[str, ...]) -> tuple[str, Ran]:
        """Force a refresh of an account without a daemon, then open the home in peace."""
        broker = Broker(root, self._issuer)
        login = self._issuer.mint(**STALE)
        with self._alone:
            shutil.copytree(self._template.home, broker.home)
            file = login.write(root / "auth.json")
            taken = broker.run("account", "import", str(file), "--name", "work", "--sole-owner")
        assert taken.code == 0, taken.err
        done = subprocess.run(
            [*before, *BROKER, "account", "refresh", "work", "--force"],
            env={**broker.environ, "PYTHONPATH": str(_ROOT)},
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        # What the command says of its success goes to stderr, for people.
        ran = Ran(done.returncode, done.stdout or done.stderr, done.stderr)
        state, generation, refresh_token = asyncio.run(_reopened(broker.home, self._issuer))
        if ran.code == 0 and (state, generation) != (State.ACTIVE, 1):
            return "lost", ran
        doubt = "in doubt" if state is State.IN_DOUBT else ""
        return self._alive(login.login_id, refresh_token, doubt), ran

    def _alive(self, login_id: str, refresh_token: str, doubt: str) -> str:
        """Tell by the issuer what a login has come to."""
        decisions = [e["decision"] for e in self._issuer.exchanges() if e["login_id"] == login_id]
        if decisions not in ([], ["rotated"]):
            return "lost"
        if "in doubt" in doubt:
            return "in doubt"
        return "held" if self._issuer.exchange(refresh_token)[0] == 200 else "lost"


async def _reopened(home: Path, issuer: Issuer) -> tuple[State, int, str]:
    """Settle what was left, as the next daemon does; return state, generation and refresh token."""
    keys = load_keyring(home / "master.key", {})
    store = await Store.open(f"sqlite:///{home}/broker.db", Seal(keys))
    try:
        world = World(issuer, store, keys, home)
        await world.load()
        await until(lambda: not _held(world))
        await world.recovery.look()
        await world.recovery.sweep()
        row = await world.row()
        return row.state, row.generation, row.refresh_token.reveal() if row.refresh_token else ""
    finally:
        await store.close()


def _held(world: World) -> bool:
    return any(world.journals.look(name).phase == "held" for name in world.journals.attempts())
