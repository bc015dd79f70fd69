#!/usr/bin/env python3
"""PID 1 of a container: it outlives the program it starts until the program's orphans have ended.

When PID 1 of a PID namespace ends, the kernel kills what is left in the namespace. An exchange
process of the broker's outlives a broker that is killed, and holds the only copy of the issuer's
answer until it has written it down; so PID 1 may go only after it. ``tini``, ``dumb-init`` and
``catatonit`` end with the program they started.

    python3 -I pid1.py [--wait SECONDS] [--] PROGRAM [ARGUMENT...]

Rules:

- PROGRAM gets a session of its own, so that Ctrl-C at the container's terminal reaches it once,
  from here, and not once more from the kernel: to the broker a second signal means hurry.
- SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to it, and to nothing else.
- Every process that is orphaned in the container comes here and is reaped.
- Once PROGRAM has ended, its orphans have SECONDS (45 unless told otherwise) to end by themselves;
  nothing is sent to them. What a runtime started beside PROGRAM (``docker exec``) is not waited for.
- The exit status is PROGRAM's, or 128 and the number of the signal that killed it; 2 for a command
  line that makes no sense, 126 and 127 where PROGRAM cannot be run or found, as shells have it.

Where it is not PID 1 (Kubernetes with ``shareProcessNamespace``) it has orphans come to it all the
same (prctl(2), ``PR_SET_CHILD_SUBREAPER``); Linux only.
"""

import os
import signal
import sys
import time
from contextlib import suppress

__all__ = ["main"]

_WAIT_S = 45.0
"""An exchange lasts 30 s at most; the rest is for a slow start and a slow disk."""

_PASSED_ON = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
)
_AWAITED = _PASSED_ON | {signal.SIGCHLD}

_IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""What the interpreter ignores from its start; a program expects the defaults."""

_PR_SET_CHILD_SUBREAPER = 36
_USAGE = "usage: pid1.py [--wait SECONDS] [--] PROGRAM [ARGUMENT...]"


def main(words: list[str]) -> int:
    """Run the program, wait for it and for its orphans, and return the exit status.

    Args:
        words: the command line without its first word.
    """
    try:
        wait_s, command = _parse(words)
    except ValueError as error:
        _say(f"{error}\n{_USAGE}")
        return 2
    if os.getpid() != 1:
        _adopt_orphans()
    # Blocked signals wait for `sigtimedwait`: none is lost before the program runs, and none
    # interrupts anything. The kernel drops a signal that PID 1 neither handles nor blocks.
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        pid = os.posix_spawnp(
            command[0], command, os.environ, setsid=True, setsigmask=(), setsigdef=_IGNORED_BY_PYTHON
        )
    except OSError as error:
        _say(f"{command[0]} cannot be run: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126
    return _until_all_ended(pid, wait_s)


def _parse(words: list[str]) -> tuple[float, list[str]]:
    """Return how long to wait for orphans, in seconds, and the command.

    Raises:
        ValueError: an option that there is not, or no program.
    """
    wait_s, rest = _WAIT_S, list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        name, equals, value = option.partition("=")
        if name != "--wait":
            raise ValueError(f"no such option: {name}")
        wait_s = _seconds(value if equals else "".join(rest[:1]))
        rest = rest if equals else rest[1:]
    if not rest:
        raise ValueError("no program to run")
    return wait_s, rest


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise ValueError("--wait takes seconds from 0 on")


def _adopt_orphans() -> None:
    from ctypes import CDLL

    CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _until_all_ended(program: int, wait_s: float) -> int:
    """Pass signals on and reap until the program and its orphans have ended; return its status."""
    status: int | None = None
    end_s = 0.0
    while True:
        found, children_left = _reap(program)
        if found is not None:
            status, end_s = found, time.monotonic() + wait_s
            if children_left:
                _say(f"the program has ended; its orphans have {wait_s:g} s to end")
        if status is None:
            number = signal.sigwait(_AWAITED)
            if number in _PASSED_ON:
                # It may be a zombie by now, and cannot be another process before it is reaped here.
                os.kill(program, number)
            continue
        left_s = end_s - time.monotonic()
        if not children_left or left_s <= 0:
            if children_left:
                _say("its orphans have not ended, and are given up")
            return status
        signal.sigtimedwait(_AWAITED, left_s)


def _reap(program: int) -> tuple[int | None, bool]:
    """Reap whatever has ended.

    Returns:
        The program's exit status where it was among it, and whether any child is left.
    """
    status = None
    with suppress(ChildProcessError):
        while True:
            pid, how = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return status, True
            if pid == program:
                code = os.waitstatus_to_exitcode(how)
                status = code if code >= 0 else 128 - code
    return status, False


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"pid1: {text}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
