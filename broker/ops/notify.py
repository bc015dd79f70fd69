"""The service manager's side channel: readiness, state and watchdog, and the sockets that it opened.

The protocol is sd_notify(3) and sd_listen_fds(3), by hand: a datagram of ``KEY=VALUE`` lines to the
Unix socket in ``NOTIFY_SOCKET``; descriptors from 3 on, counted in ``LISTEN_FDS``. Without a
manager nothing is sent and nothing is passed.
"""

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import NamedTuple

import structlog

__all__ = ["Manager", "Passed", "manager_of", "passed_sockets"]

_log = structlog.get_logger("broker.notify")

_FIRST_FD = 3
_LIMIT_S = 1.0
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_LISTEN_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class Manager:
    """Who started the daemon and wants to hear of it.

    Args:
        address: its socket: a path, or ``@`` and an abstract name; empty: there is none.
        watchdog_s: how long it waits for a sign of life before it restarts us; 0: it does not.
        monotonic_s: a clock that only goes on.
    """

    def __init__(
        self, address: str = "", watchdog_s: float = 0.0, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._every_s = watchdog_s / 2
        self._monotonic_s = monotonic_s
        self._alive_s = float("-inf")
        self._status = ""

    def ready(self, status: str) -> None:
        """Say that clients can connect; again after :meth:`reloading`, that it is over."""
        self._status = status
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def status(self, text: str) -> None:
        """Say what a person should see who asks for the unit's state; nothing where it has not changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """Say that what was asked for with SIGHUP is being done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def alive(self) -> None:
        """Give a sign of life at half the watchdog's time; only work that was done may call this."""
        now_s = self._monotonic_s()
        if self._every_s and now_s - self._alive_s >= self._every_s:
            self._alive_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon ends by itself or by a signal."""
        self._send("STOPPING=1", "STATUS=finishing what is under way")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_LIMIT_S)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.warning("service_manager_not_told", told=lines[0], problem=error.strerror or str(error))


class Passed(NamedTuple):
    """A descriptor that the manager passed."""

    fd: int
    name: str


def manager_of(environ: MutableMapping[str, str], pid: int) -> Manager:
    """Return the manager that the environment names, and take its variables out: they are not for children.

    Args:
        environ: the environment.
        pid: this process.
    """
    address, usec, watched = (environ.pop(name, "") for name in _VARIABLES)
    if not address.startswith(("/", "@")):
        return Manager()
    mine = watched in ("", str(pid))
    return Manager(address, int(usec) / 1e6 if mine and usec.isdecimal() else 0.0)


def passed_sockets(environ: MutableMapping[str, str], pid: int) -> list[Passed]:
    """Return the descriptors that were passed to this very process, and take the variables out.

    Args:
        environ: the environment.
        pid: this process; what is meant for another one, its parent for instance, is not ours.
    """
    count, owner, names = (environ.pop(name, "") for name in _LISTEN_VARIABLES)
    if owner != str(pid) or not count.isdecimal():
        return []
    words = names.split(":") if names else []
    return [Passed(_FIRST_FD + n, words[n] if n < len(words) else "") for n in range(int(count))]
