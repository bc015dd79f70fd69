"""What the unit's sandbox forbids is not needed: by the kernel's own list of what was called."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.need import need_program
from tests.support.units import UNITS, read_unit
from tests.support.wait import until_sync

MDWE = """\
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
if sys.argv[1:]:
    os.execv(sys.argv[1], sys.argv[1:])
"""
"""prctl(2), ``PR_SET_MDWE`` with ``PR_MDWE_REFUSE_EXEC_GAIN``: MemoryDenyWriteExecute= by the kernel."""

FAMILIES = {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}
"""Of the unit, and the one whose refusal the C library takes for an answer (getaddrinfo(3))."""


AS_ROOT = {"fchown"} if os.geteuid() == 0 else set()
"""SQLite hands its journals to the database's owner where it runs as root, and only there."""


def group(name: str) -> set[str]:
    """Return the calls of one of systemd's groups."""
    analyze = need_program("systemd-analyze", "systemd")
    done = subprocess.run([analyze, "syscall-filter", name], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    found = {word for word in words if word and not word.startswith(("#", "@"))}
    return found.union(*(group(word) for word in words if word.startswith("@")))


def allowed(unit: str) -> set[str]:
    """Return the calls that a unit's filters let through (systemd.exec(5))."""
    calls: set[str] = set()
    for key, value in read_unit(UNITS / unit)["Service"]:
        if key == "SystemCallFilter":
            named = set().union(*(group(word) for word in value.lstrip("~").split()))
            calls = calls - named if value.startswith("~") else calls | named
    return calls


@pytest.fixture
def issuer():
    with issuer_in_thread() as running:
        yield running


def live(daemon, issuer):
    """Let a daemon do all that it does: an exchange, a token, a client, a backup, a new key, a check."""
    daemon.hold(issuer.mint(), "work")
    key = daemon.add_client("laptop", "work")
    for words in ("account refresh work --force", f"backup {daemon.home}/b", "key rotate", "check --port 0"):
        ran = daemon.admin(*words.split())
        assert ran.code == 0, ran
    assert daemon.get("/codex", key).status == 200
    assert daemon.stop() == 0


def test_every_system_call_is_in_the_filter(tmp_path, issuer):
    """Daemon and exchange process call nothing, and open no kind of socket, that the unit forbids."""
    strace = need_program("strace", "strace")
    record = tmp_path / "calls"
    with running_daemon(tmp_path, issuer.url) as daemon:
        assert daemon.stop() == 0
        daemon.under = (strace, "-D", "-f", "-o", str(record))
        daemon.start("serve")
        live(daemon, issuer)
        last = re.compile(rf"^{daemon.process.pid} +\+\+\+ exited", re.MULTILINE)
        until_sync(lambda: last.search(record.read_text(errors="replace")), pause_s=0.2)
    text = record.read_text(errors="replace")
    called = set(re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE))
    assert {"execve", "socket", "flock", "fsync"} <= called, "it was watched"
    assert called - allowed("codex-broker.service") - AS_ROOT == set()
    assert set(re.findall(r"socket\((\w+)", text)) <= FAMILIES
    assert not re.search(r"mmap\([^)]*PROT_WRITE\|PROT_EXEC", text)


def test_no_memory_is_made_executable(tmp_path, issuer):
    """All of it works where memory that was written cannot become code."""
    if subprocess.run([sys.executable, "-c", MDWE], check=False).returncode == 77:
        return  # Linux before 6.3 has none; the calls that it would refuse are looked for above
    with running_daemon(tmp_path, issuer.url) as daemon:
        assert daemon.stop() == 0
        daemon.under = (sys.executable, "-c", MDWE)
        daemon.start("serve")
        live(daemon, issuer)
