"""Storms of ``POST /oauth/token``: what a program sends that was never told to wait, or holds nothing good.

One failing run of the Codex CLI posts 21 times without a pause; one whose clock is wrong goes on at up to
40 a second.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from broker.domain.apikey import new_key
from tests.support.daemon import Answer, Daemon, ask

__all__ = ["KINDS", "Sky", "Storm", "memory_kb", "post", "storming"]

KINDS = ("proactive", "recovery", "revoked", "removed", "rubbish", "guesses")
"""A machine's own, for two reasons; a revoked one's; one that nobody knows; no credential; ever others."""

_numbers = count(1)


def post(url: str, credential: str, *, reason: str = "proactive_expiry", source: str = "") -> Answer:
    """Post as the Codex CLI does."""
    fields = {"client_id": "app_x", "grant_type": "refresh_token", "refresh_reason": reason}
    body = json.dumps({**fields, "refresh_token": credential}).encode()
    headers = {"Content-Type": "application/json"}
    return ask(url, "/oauth/token", method="POST", body=body, headers=headers, source=source)


def memory_kb(pid: int) -> int:
    """Return how much memory of a process is resident."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@dataclass
class Sky:
    """A broker and the credentials that storms are made of.

    Attributes:
        daemon: with an account ``work``.
    """

    daemon: Daemon

    def machine(self, *, revoked: bool = False) -> str:
        """Return a new machine's credential."""
        name = f"machine-{next(_numbers)}"
        wishes: dict[str, Any] = {"accounts": ["work"], "scopes": ["token"], "machine": True}
        made = self.daemon.call("client_add", name=name, **wishes)
        if revoked:
            self.daemon.call("client_revoke", name=name)
        return str(made["refresh_token"])

    def address(self) -> str:
        """Return an address of this machine that nobody has used yet."""
        number = next(_numbers)
        return f"127.1.{number // 250}.{number % 250 + 1}"

    def credentials(self, kind: str) -> Iterator[str]:
        """Return what a storm shows, post by post."""
        if kind == "guesses":
            while True:
                yield _unknown()
        made: dict[str, Callable[[], str]] = {
            "revoked": lambda: self.machine(revoked=True),
            "removed": _unknown,
            "rubbish": lambda: "rt_not_of_a_broker",
        }
        credential = made.get(kind, self.machine)()
        while True:
            yield credential


def _unknown() -> str:
    return new_key("cbr", os.urandom).text.reveal()


@dataclass
class Storm:
    """One that is going on.

    Attributes:
        over: set when all of it was sent.
        answers: how many there were of each status.
    """

    over: Event = field(default_factory=Event)
    answers: Counter[int] = field(default_factory=Counter)


@contextmanager
def storming(
    sky: Sky, kind: str, *, posts: int, source: str = "", per_s: float = 0.0, threads: int = 8
) -> Iterator[Storm]:
    """Post from several threads, each post a connection of its own; the end of the block waits for all.

    Args:
        sky: whom to post to, and what.
        kind: one of ``KINDS``.
        posts: how often in all.
        source: the address that they come from.
        per_s: how often each second; 0 for as fast as it goes.
        threads: how many post at once.
    """
    storm, shown = Storm(), sky.credentials(kind)
    reason = "unauthorized_recovery" if kind == "recovery" else "proactive_expiry"
    turns = [(number / per_s if per_s else 0.0, next(shown)) for number in range(posts)]
    begin_s, waiting = monotonic(), Event()

    def run(turn: tuple[float, str]) -> int:
        after_s, credential = turn
        waiting.wait(max(0.0, begin_s + after_s - monotonic()))
        return post(sky.daemon.url, credential, reason=reason, source=source).status

    with ThreadPoolExecutor(threads) as pool:
        going = [pool.submit(run, turn) for turn in turns]

        def note() -> None:
            storm.answers.update(each.result() for each in going)
            storm.over.set()

        with ThreadPoolExecutor(1) as watch:
            noted = watch.submit(note)
            yield storm
            noted.result()
