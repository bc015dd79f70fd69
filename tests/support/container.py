"""A container in miniature: a PID namespace of the kernel's, with a PID 1 of the test's choice.

``daemon.under = container_of(PID1)`` starts the daemon in one. What the test holds is then the
``unshare`` outside, the container's runtime so to speak: it ends when PID 1 does, with its status,
and killing it kills everybody inside. Pids are those of the outside.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.need import missing, need_program, need_root
from tests.support.processes import children, command_line, pid_in_namespace
from tests.support.wait import until_sync

__all__ = ["PID1", "first_process", "in_container", "main_process"]

PID1 = (sys.executable, "-I", str(Path(__file__).parents[2] / "deploy" / "pid1.py"))
"""The init that the project ships."""


def in_container(*init: str) -> tuple[str, ...]:
    """Return the words before a command line that is to run in a container of its own.

    Args:
        *init: PID 1 and its arguments; nothing lets the command itself be PID 1.
    """
    need_root("PID namespaces")
    unshare = need_program("unshare", "util-linux")
    words = (unshare, "--pid", "--fork", "--mount-proc", "--kill-child")
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        missing("the right to make namespaces", f"CAP_SYS_ADMIN; {done.stderr.strip()}")
    return (*words, *init)


def first_process(runtime: int) -> int:
    """Return the pid, outside, of a container's PID 1.

    Args:
        runtime: the pid of its ``unshare``.
    """
    until_sync(lambda: children(runtime))
    (first,) = children(runtime)
    assert pid_in_namespace(first) == 1
    return first


def main_process(runtime: int) -> int:
    """Return the pid, outside, of the ``codex-broker`` that a container's init has started."""
    found = [pid for pid in children(first_process(runtime)) if "codex-broker" in " ".join(command_line(pid))]
    (main,) = found
    return main
