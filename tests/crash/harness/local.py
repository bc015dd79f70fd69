"""Row 3: ``codex-fetchtoken`` and its exchange process, killed at one of their system calls."""

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fetchtoken.oauth.journal import Phase, inspect
from tests.crash.harness.figures import Figures, Loss
from tests.support.issuer import Issuer, Login, issuer_in_thread
from tests.support.laptop import EXPIRED, Laptop, together
from tests.support.need import need_program

__all__ = ["run_local"]

_LANES = 2
_MANY = 20
_KILLS_A_CROWD = 50
"""Twenty commands at once come once in so many kills."""

_VICTIMS = ("command, kill -9", "command, Ctrl-C", "exchange process")
"""In turns; the third is killed, too."""
_COMMAND, _INTERRUPTED, _EXCHANGE = _VICTIMS


def run_local(kills: int, *, seed: int, tell: Callable[[], None] = lambda: None) -> Figures:
    """Interrupt and kill the command and its exchange process; twenty commands at once.

    Args:
        kills: a third by SIGKILL, one by Ctrl-C, and one of the exchange process.
        seed: of the choice of instants.
        tell: called after each kill, from several threads.
    """
    figures = Figures(what="codex-fetchtoken")
    choose = random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="local-") as name,
        issuer_in_thread() as issuer,
        ThreadPoolExecutor(_LANES) as pool,
    ):
        field = _Field(Path(name), issuer)
        for _ in range(-(-kills // _KILLS_A_CROWD)):
            figures.add(field.crowd())
        # Where the chosen call did not come, nobody was killed, and another try is due.
        while figures.kills < kills and len(figures.wrong) < kills:
            tries = [field.choose(choose) for _ in range(kills - figures.kills)]
            for trial in pool.map(field.run, tries):
                figures.add(trial)
                if trial.kills:
                    tell()
    return figures


@dataclass(frozen=True, slots=True)
class _Try:
    """Who is killed at which call."""

    victim: str
    call: tuple[str, int]
    """Its name, and how often it was made by then."""


class _Field:
    """Machines with one expired login each, made as they are needed."""

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self._root = root
        self._issuer = issuer
        self._strace = need_program("strace", "strace")
        self._made = 0
        self._chosen = 0
        command, exchange = self._calls(lambda it, cut: it.run(before=cut)), self._calls(_exchange)
        self._all = {_COMMAND: command, _INTERRUPTED: command, _EXCHANGE: exchange}
        # Behind the first of these the token is at stake.
        since = {_COMMAND: "pipe2", _INTERRUPTED: "pipe2", _EXCHANGE: "flock"}
        self._late = {who: calls[calls.index((since[who], 1)) :] for who, calls in self._all.items()}

    def choose(self, chance: random.Random) -> _Try:
        """Choose the next victim in turn, and one of its calls by chance: of all, or a late one."""
        self._chosen += 1
        victim = _VICTIMS[self._chosen % len(_VICTIMS)]
        return _Try(victim, chance.choice(chance.choice((self._all, self._late))[victim]))

    def run(self, trial: _Try) -> Figures:
        """Kill once on a new machine, and look what a plain run makes of it."""
        laptop = self._machine()
        login = laptop.log_in(**EXPIRED)
        name, number = trial.call
        blow = "INT" if trial.victim == _INTERRUPTED else "KILL"
        inject = f"inject={name}:signal={blow}:when={number}"
        cut = (self._strace, "-o", os.devnull, "-e", f"trace={name}", "-e", inject)
        if trial.victim == _EXCHANGE:
            killed = laptop.exchange(before=cut) != 0
        else:
            killed = laptop.run(before=cut).code != 0
        under_way = killed and trial.call in self._late[trial.victim]
        found = Figures(what="", kills=int(killed), in_flight=int(under_way))
        phase = inspect(str(laptop.attempt)).phase
        kept = laptop.document()["tokens"]["refresh_token"] != login.refresh_token or phase is Phase.ANSWERED
        begun_s = time.monotonic()
        ran = laptop.run()
        recovery_s = time.monotonic() - begun_s
        family = self._issuer.login(login.login_id)
        found.rotations = family["generation"]
        found.reused_at_issuer = int(bool(family["revoked"]))
        if ran.code == 0:
            found.recoveries_s.append(recovery_s)
            end = f": {'kept' if kept else 'not sent'}" if trial.victim == _EXCHANGE else ""
            found.ends[trial.victim + end] += 1
            found.wrong += [f"{trial}: {text}" for text in self._whole(laptop, login, ran.out, ran.err)]
            return found
        told = ran.code == 5 and "in doubt" in ran.err
        if not told or trial.victim != _EXCHANGE or kept:
            found.wrong.append(f"{trial}: afterwards {ran}")
        elif family["generation"]:
            found.ends[f"{_EXCHANGE}: in doubt"] += 1
            found.losses.append(self._lost(laptop, login, phase))
        else:
            found.doubts += 1
        return found

    def crowd(self) -> Figures:
        """Run twenty commands at once on one expired file: one exchanges, all print the new token."""
        laptop = self._machine()
        login = laptop.log_in(**EXPIRED)
        ran = together(laptop, _MANY)
        family = self._issuer.login(login.login_id)
        found = Figures(
            what="", rotations=family["generation"], reused_at_issuer=int(bool(family["revoked"]))
        )
        if {(each.code, each.out, each.err) for each in ran} != {(0, laptop.access_token + "\n", "")}:
            found.wrong.append(f"twenty at once: {Counter(each.code for each in ran)}")
        found.wrong += [f"twenty at once: {text}" for text in self._whole(laptop, login, ran[0].out, "")]
        return found

    def _whole(self, laptop: Laptop, login: Login, out: str, err: str) -> list[str]:
        """Return what is wrong where a login must be whole, with one rotation behind it."""
        family = self._issuer.login(login.login_id)
        held = {
            "the run had nothing to say": not err,
            "it printed the token of the file": out == laptop.access_token + "\n",
            "the token is new": out.strip() != login.access_token,
            "the issuer takes it": self._issuer.alive(out.strip()),
            "nothing lies about": not laptop.litter(),
            "one exchange": (family["revoked"], family["generation"]) == ("", 1),
        }
        return [f"not so: {text}" for text, so in held.items() if not so]

    def _lost(self, laptop: Laptop, login: Login, phase: Phase) -> Loss:
        sendings = [entry for entry in self._issuer.exchanges() if entry["login_id"] == login.login_id]
        explained = [entry["decision"] for entry in sendings] == ["rotated"] and phase is Phase.SENT
        return Loss(laptop.home.parent.name, laptop.attempt.name, str(phase), sendings, explained)

    def _machine(self) -> Laptop:
        self._made += 1
        root = Path(tempfile.mkdtemp(prefix=f"{self._made}-", dir=self._root))
        return Laptop(root, self._issuer)

    def _calls(self, run: Callable[[Laptop, tuple[str, ...]], object]) -> list[tuple[str, int]]:
        """Run undisturbed; return the program's system calls in order, as (name, how often so far)."""
        pilot = self._machine()
        pilot.log_in(**EXPIRED)
        trace = pilot.home / "trace"
        run(pilot, (self._strace, "-o", str(trace)))
        names = [line.partition("(")[0] for line in trace.read_text().splitlines() if line[0].isalpha()]
        seen: Counter[str] = Counter()
        calls = []
        for name in names:
            seen[name] += 1
            calls.append((name, seen[name]))
        return [call for call in calls if call[0] not in ("execve", "exit_group")]


def _exchange(laptop: Laptop, cut: tuple[str, ...]) -> int:
    return laptop.exchange(before=cut)
