"""Named points of the real programs at which something goes wrong, armed from outside.

``arm(POINT, WHEN, FAULT)`` wraps a function of ours by its name, in this process; nothing in the
programs knows of it. The exchange process is started through :func:`exchange_argv`, which arms its
points first. Each fault comes once.
"""

import asyncio
import errno
import functools
import importlib
import io
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BROKER_POINTS", "FAULTS", "LOCAL_POINTS", "Flight", "arm", "exchange_argv"]

FAULTS = ("kill", "exception", "EIO", "ENOSPC", "cancel")
"""``cancel`` is what ends a waiting: the flight's task is cancelled; in the exchange process SIGINT,
SIGTERM and SIGHUP come."""

_RAISED = ("exception", "EIO", "ENOSPC")

_EXCHANGE_POINTS = {
    "sending recorded": ("fetchtoken.oauth.attempt:append", 1),
    "request sent": ("fetchtoken.net.client:_send", 1),
    "answer recorded": ("fetchtoken.oauth.attempt:append", 2),
}
"""Where they are, and in the how manieth call."""

_DAEMON_POINTS = {
    "journal created": ("broker.refresh.journals:Journals.begin", 1),
    "intent armed": ("broker.store.store:Store.arm", 1),
    "intent marked": ("broker.refresh.highwater:HighWater.note", 1),
    "process started": ("broker.refresh.process:subprocess.Popen", 1),
    "frame written": ("broker.refresh.process:ExchangeProcess._hand_over", 1),
    "report read": ("broker.refresh.process:ExchangeProcess._listen", 1),
    "tokens committed": ("broker.store.store:Store.commit_tokens", 1),
    "roster updated": ("broker.domain.roster:Roster.put_account", 2),
    "outcome marked": ("broker.refresh.highwater:HighWater.note", 2),
    "journal removed": ("broker.refresh.journals:Journals.forget", 1),
}

_FILE_POINTS = {
    "locks taken": ("fetchtoken.codex.locks:open_locked", 1),
    "attempt begun": ("fetchtoken.codex.refresh_file:begin", 1),
    "auth.json replaced": ("fetchtoken.codex.refresh_file:replace_file", 1),
    "attempt removed": ("fetchtoken.codex.refresh_file:remove", 1),
}

BROKER_POINTS = {**_DAEMON_POINTS, **_EXCHANGE_POINTS}
LOCAL_POINTS = {**_FILE_POINTS, **_EXCHANGE_POINTS}

_ROOT = Path(__file__).parents[2]
_WAIT_S = 20.0


@dataclass
class Flight:
    """The task that a ``cancel`` cancels; set before the fault can come."""

    loop: asyncio.AbstractEventLoop
    task: "asyncio.Task[Any]"
    landed: threading.Event

    def cancel(self) -> None:
        """Cancel it; from another thread, wait until it is over."""
        if threading.current_thread() is threading.main_thread():
            self.task.cancel()
            return
        self.loop.call_soon_threadsafe(self.task.cancel)
        assert self.landed.wait(_WAIT_S), "the cancelled flight does not end"


def exchange_argv(point: str, when: str, fault: str) -> list[str]:
    """Return a command line for the broker's exchange process with a point armed."""
    code = (
        f"import sys; sys.path.insert(0, {str(_ROOT)!r})\n"
        "from tests.support import failpoints\n"
        "sys.exit(failpoints.exchange())"
    )
    return [sys.executable, "-P", "-c", code, json.dumps([point, when, fault])]


def exchange() -> int:
    """Be the broker's exchange process, with the point of the command line armed."""
    from fetchtoken.oauth.exchange import main

    arm(*json.loads(sys.argv[1]))
    return main()


def arm(point: str, when: str, fault: str, flight: Flight | None = None) -> None:
    """Make a step fail once, in this process.

    Args:
        point: of :data:`BROKER_POINTS` or :data:`LOCAL_POINTS`; one of the exchange process's own is
            armed in the process that the daemon is about to start.
        when: ``before`` or ``after`` the step.
        fault: one of :data:`FAULTS`.
        flight: what ``cancel`` cancels; without it signals come.
    """
    if flight is not None and point in _EXCHANGE_POINTS:
        import broker.refresh.process

        broker.refresh.process.child_argv = lambda _: exchange_argv(point, when, fault)
        return
    place, number = {**BROKER_POINTS, **LOCAL_POINTS}[point]
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, _failing(getattr(owner, name), number, when, fault, flight))


def _failing(function: Any, number: int, when: str, fault: str, flight: Flight | None) -> Any:
    calls = 0

    def its_turn() -> bool:
        nonlocal calls
        calls += 1
        return calls == number

    @functools.wraps(function)
    async def in_turn(*values: Any, **named: Any) -> Any:
        turn = its_turn()
        if turn and when == "before":
            _strike(fault, flight)
            await asyncio.sleep(0)
        result = await function(*values, **named)
        if turn and when == "after":
            _strike(fault, flight)
            await asyncio.sleep(0)
        return result

    @functools.wraps(function)
    def at_once(*values: Any, **named: Any) -> Any:
        turn = its_turn()
        if turn and when == "before":
            _strike(fault, flight)
        result = function(*values, **named)
        if turn and when == "after":
            if fault in _RAISED and isinstance(getattr(result, "stdin", None), io.FileIO):
                result.stdin.close()  # a process that nobody gets is let go, not kept by a traceback
            _strike(fault, flight)
        return result

    return in_turn if asyncio.iscoroutinefunction(function) else at_once


def _strike(fault: str, flight: Flight | None) -> None:
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the signal may take another thread first
    if fault == "exception":
        raise RuntimeError("a bug")
    if fault == "cancel":
        if flight is not None:
            flight.cancel()
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        return
    number = getattr(errno, fault)
    raise OSError(number, os.strerror(number))
