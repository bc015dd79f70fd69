"""A series of kills in one world, with the issuer's verdict after each."""

import random
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from http.client import HTTPException
from statistics import median

from fetchtoken.domain.errors import FetchTokenError
from tests.crash.harness.books import Books
from tests.crash.harness.figures import Figures
from tests.crash.harness.victim import Victim
from tests.crash.harness.world import World
from tests.support.wait import until_sync

__all__ = ["Lane", "Target"]

_WHILE_STARTING = 0.1
"""Part of the kills that meet a daemon before it serves."""

_BY_HAND = 0.5
"""Part of the restarts after which accounts are exchanged by order; after the others they are due."""

_BEYOND_A_WAVE = 1.2
"""Kills fall anywhere from the first step of a wave of exchanges to shortly after its last."""

_IDLE_S = 0.02


class Target(StrEnum):
    """Who is killed."""

    BROKER = "broker"
    BOTH = "broker and exchange processes together"
    EXCHANGE = "exchange process"


class Lane:
    """Kills in one world, one after the other.

    Args:
        world: a new one.
        target: who is killed.
        rng: decides when, and which.
        tell: called after each kill.
    """

    def __init__(self, world: World, target: Target, rng: random.Random, tell: Callable[[], None]) -> None:
        self._world = world
        self._target = target
        self._rng = rng
        self._tell = tell
        self._books = Books(world)
        self._waves_s: list[float] = []
        self._starts_s: list[float] = []
        self._enough = threading.Event()
        self._figures = Figures(what=str(target))

    def run(self, kills: int) -> Figures:
        """Kill so many times; then the last proof: every account is exchanged once more."""
        try:
            victim = self._world.found()
            self._wave()
            if self._target is Target.EXCHANGE:
                self._kill_exchanges(victim, kills)
            else:
                victim.kill()
                for _ in range(kills):
                    self._start_and_kill()
                self._serve(self._world.start())
            self._books.close(self._figures)
        finally:
            self._world.end()
        return self._figures

    def _start_and_kill(self) -> None:
        """Bring the daemon back, and kill it at some instant of its life."""
        by_hand = self._rng.random() < _BY_HAND
        if not by_hand:
            self._world.let_all_fall_due()
        victim = self._world.start()
        if self._rng.random() < _WHILE_STARTING:
            victim.live(self._rng.uniform(0, median(self._starts_s or [1])))
        else:
            self._serve(victim)
            if self._world.is_running_out():
                # The clock must not outrun an account whose exchanges were killed again and again.
                self._wave()
            if by_hand:
                threading.Thread(target=self._waves, daemon=True).start()
            victim.live(self._rng.uniform(0, self._window_s()))
        if self._target is Target.BOTH:
            victim.kill_with_exchanges()
        else:
            victim.kill()
        self._count(in_flight=self._books.are_attempts_open())

    def _serve(self, victim: Victim) -> None:
        victim.until_ready()
        self._starts_s.append(victim.until_serving(self._world.key))
        self._figures.recoveries_s.append(self._starts_s[-1])
        self._books.look()

    def _kill_exchanges(self, victim: Victim, kills: int) -> None:
        """Kill exchange processes of a daemon that lives on."""
        orders = threading.Thread(target=self._waves, daemon=True)
        orders.start()
        while self._figures.kills < kills:
            until_sync(victim.exchanges)
            victim.live(self._rng.uniform(0, self._window_s() / 2))
            alive = victim.exchanges()
            if alive and victim.kill_exchange(self._rng.choice(alive)):
                self._count(in_flight=True)
                self._books.look()
        self._enough.set()
        orders.join()

    def _count(self, *, in_flight: bool) -> None:
        self._figures.kills += 1
        self._figures.in_flight += in_flight
        self._tell()

    def _waves(self) -> None:
        """Have all accounts exchanged again and again, until the daemon is gone or it is enough."""
        while not self._enough.is_set():
            try:
                refreshed = self._wave()
            except (FetchTokenError, OSError, HTTPException):
                return
            if not refreshed:
                self._enough.wait(_IDLE_S)

    def _wave(self) -> int:
        """Have all accounts exchanged; return how many were."""
        begun_s = time.monotonic()
        outcomes = self._world.refresh_all()
        self._waves_s.append(time.monotonic() - begun_s)
        return sum(outcome.get("outcome") == "refreshed" for outcome in outcomes)

    def _window_s(self) -> float:
        return _BEYOND_A_WAVE * median(self._waves_s[-9:])
