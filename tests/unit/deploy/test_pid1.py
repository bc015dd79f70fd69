"""The init of a container: what it passes on, what it waits for, and what it ends with."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from tests.support.container import PID1, first_process, in_container
from tests.support.need import need_program
from tests.support.processes import children, state, stop
from tests.support.wait import until_sync

LIMIT_S = 30

TELLS_SIGNALS = """
import signal, sys
numbers = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
assert not signal.pthread_sigmask(signal.SIG_BLOCK, numbers), "it came with blocked signals"
print("ready", flush=True)
while True:
    number = signal.sigwait(numbers)
    print(number.name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(3)
"""
"""Prints the name of each signal; SIGTERM is its last."""

LEAVES_AN_ORPHAN = """
import os, subprocess, sys
orphan = subprocess.Popen(["sh", "-c", "read line; echo > $1; exit 9", "sh", *sys.argv[1:]],
                          stdin=0, stdout=subprocess.DEVNULL, start_new_session=True)
print(orphan.pid, flush=True)
os._exit(5)
"""
"""Ends with 5; leaves a process that waits for the end of standard input, then makes a file and ends."""

MAKES_ZOMBIES = """
import os, sys
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
def of_init():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if parent == "1" and int(pid) != os.getpid():
            yield pid
while any(of_init()):
    pass
"""
"""Ends once none of the 20 orphans that it has made is left with PID 1."""


def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PID1, *words], input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def start(*words: str, under: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*under, *PID1, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("kill -PIPE $$", 141)],
)
def test_it_ends_as_the_program_does(script, status):
    """With its exit status, or with 128 and the number of the signal that killed it."""
    assert run("sh", "-c", script).returncode == status


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "no program to run"),
        (("--wait", "1"), 2, "no program to run"),
        (("--wait",), 2, "--wait takes seconds from 0 on"),
        (("--wait=-1", "true"), 2, "--wait takes seconds from 0 on"),
        (("--wait", "nan", "true"), 2, "--wait takes seconds from 0 on"),
        (("--wait", "soon", "true"), 2, "--wait takes seconds from 0 on"),
        (("--group", "true"), 2, "no such option: --group"),
        (("/nonexistent/program",), 127, "/nonexistent/program cannot be run: No such file or directory"),
        (("/dev/null",), 126, "/dev/null cannot be run: Permission denied"),
    ],
)
def test_a_wrong_command_line_is_named(words, status, says):
    """Usage is 2; a program that is not there 127, one that cannot be run 126, as in shells."""
    ran = run(*words)
    assert ran.returncode == status
    assert says in ran.stderr


@pytest.mark.parametrize("words", [(), ("--",), ("--wait", "9"), ("--wait=9", "--")])
def test_options_end_where_the_program_begins(words):
    """The program's own options are its own."""
    assert run(*words, "echo", "--wait", "x").stdout == "--wait x\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_signals_reach_the_program(name):
    """Each once, the program's own mask is empty, and its exit status is handed on."""
    with start(sys.executable, "-c", TELLS_SIGNALS) as init:
        assert init.stdout.readline() == "ready\n"
        init.send_signal(signal.Signals[name])
        assert init.stdout.readline() == f"{name}\n"
        init.send_signal(signal.SIGTERM)
        out, _ = init.communicate(timeout=LIMIT_S)
    assert (out, init.returncode) == ("SIGTERM\n", 3)


def test_ctrl_c_at_the_terminal_reaches_the_program_once():
    """The kernel tells the init alone: a second SIGINT would tell the broker to hurry."""
    ours, theirs = pty.openpty()
    words = [need_program("setsid", "util-linux"), "--ctty", *PID1, sys.executable, "-c", TELLS_SIGNALS]
    with subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, text=True) as init:
        os.close(theirs)
        assert init.stdout.readline() == "ready\n"
        os.write(ours, b"\x03")
        assert init.stdout.readline() == "SIGINT\n"
        # While the init stands still, the kernel's signal reaches nobody else.
        (program,) = children(init.pid)
        echoed = os.read(ours, 64)
        stop(init.pid)
        try:
            os.write(ours, b"\x03")
            echoed += os.read(ours, 64)
            os.kill(program, signal.SIGTERM)
            last = init.stdout.readline()
        finally:
            init.send_signal(signal.SIGCONT)
    os.close(ours)
    assert (echoed, last) == (b"^C^C", "SIGTERM\n")


@pytest.mark.parametrize("contained", [True, False], ids=["as PID 1", "not PID 1"])
def test_it_waits_for_orphans(tmp_path, contained):
    """It ends when the last has, with the program's status and not the orphan's."""
    under = in_container() if contained else ()
    made = tmp_path / "made"
    with start(sys.executable, "-c", LEAVES_AN_ORPHAN, str(made), under=under) as init:
        assert int(init.stdout.readline()) > 1
        assert init.stderr.readline() == "pid1: the program has ended; its orphans have 45 s to end\n"
        first = first_process(init.pid) if contained else init.pid
        until_sync(lambda: state(first) in "SZX")
        assert init.poll() is None
        _, rest = init.communicate(timeout=LIMIT_S)
        assert made.exists()
    assert (init.returncode, rest) == (5, "")


def test_it_gives_orphans_up(tmp_path):
    """Past ``--wait`` it ends without them, says so, and sends them nothing."""
    words = (sys.executable, "-c", LEAVES_AN_ORPHAN, str(tmp_path / "made"))
    with start("--wait", "0.1", *words) as init:
        orphan = int(init.stdout.readline())
        assert init.wait(LIMIT_S) == 5
        # The orphan holds standard error open, so there is no end of it to wait for.
        said = [init.stderr.readline() for _ in range(2)]
        assert said[1] == "pid1: its orphans have not ended, and are given up\n"
        assert state(orphan) not in "ZX"
        init.stdin.close()
        until_sync(lambda: state(orphan) in "ZX")


def test_zombies_are_reaped():
    """Every orphan that ends while the program runs is gone, not a zombie."""
    words = in_container(*PID1, sys.executable, "-c", MAKES_ZOMBIES)
    assert subprocess.run(words, check=False, timeout=LIMIT_S).returncode == 0
