"""System calls that fail by ``strace`` in mid-refresh: nothing acknowledged is lost, nothing is silent.

``python -m tests.crash.injections COUNT SEED`` prints the figures and exits 1 where a promise broke.

``run_injections(60, seed=1)`` lets a seeded choice of call, turn and error meet the local command
or the broker's, each with a login of its own. The strict issuer's log and a clean run afterwards judge.
"""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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

__all__ = ["run_injections"]

_CALLS = {
    "fsync": 9,
    "fdatasync": 4,
    "write": 14,
    "pwrite64": 24,
    "ftruncate": 3,
    "fallocate": 2,
    "rename": 4,
    "openat": 320,
}
"""The highest turn that is tried, counted by strace in each process of its own."""

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


def run_injections(count: int, seed: int) -> dict[str, object]:
    """Let so many system calls fail.

    Args:
        count: injections; two thirds meet the local command, one third ``codex-broker account refresh``.
        seed: of the choice; the same seed chooses the same.

    Returns:
        ``injections``, ``hits`` (the call was reached), ``held``, ``in_doubt``, ``lost``, ``silent``,
        ``exit_codes``, and in ``failures`` a line for each that broke a promise.
    """
    chance = random.Random(seed)
    chosen = []
    for number in range(count):
        call = chance.choice(sorted(_CALLS))
        error = chance.choice(("EIO", "ENOSPC"))
        subject = "broker" if number % 3 == 2 else "local"
        chosen.append(Injection(subject, call, error, chance.randint(1, _CALLS[call])))
    with tempfile.TemporaryDirectory() as name, issuer_in_thread() as issuer, ThreadPoolExecutor(2) as pool:
        stage = _Stage(Path(name), issuer)
        verdicts = list(pool.map(stage.run, range(count), chosen))
    ends = Counter(verdict.end for verdict in verdicts)
    return {
        "seed": seed,
        "injections": count,
        "hits": sum(verdict.hit for verdict in verdicts),
        "held": ends["held"],
        "in_doubt": ends["in doubt"],
        "lost": ends["lost"],
        "silent": ends["silent"],
        "exit_codes": dict(sorted(Counter(verdict.ran.code for verdict in verdicts).items())),
        "failures": [
            f"{verdict.end}: {verdict.injection}: {verdict.ran}"
            for verdict in verdicts
            if verdict.end in ("lost", "silent")
        ],
    }


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

    def run(self, number: int, injection: Injection) -> Verdict:
        root = self._root / str(number)
        root.mkdir()
        trace = root / "trace"
        before = (
            *(self._strace, "-f", "--seccomp-bpf", "-qq", "-o", str(trace)),
            *("-e", f"trace={injection.call}", "-e", "signal=none"),
            *("-e", f"inject={injection.call}:error={injection.error}:when={injection.turn}"),
        )
        judge = self._local if injection.subject == "local" else self._broker
        end, ran = judge(root, before)
        if end != "lost" and (not ran.out.strip() if ran.code == 0 else not ran.err.strip()):
            end = "silent"
        return Verdict(injection, end, "(INJECTED)" in trace.read_text(), ran)

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
        if ran.code == 0 and printed == login.access_token and not ran.err.strip():
            return "silent", ran
        return self._alive(login.login_id, laptop.document()["tokens"]["refresh_token"], clean.err), ran

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


if __name__ == "__main__":
    result = run_injections(*(int(word) for word in sys.argv[1:3]))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if result["failures"] else 0)
