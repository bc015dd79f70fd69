"""``serve`` under a service manager: told of everything, and given its socket."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.support.daemon import LIMIT_S, Daemon, ask
from tests.support.manager import notices
from tests.support.programs import BROKER, Machine, program
from tests.support.wait import until_sync

PASS = """\
import os, sys
for target, fd in enumerate(map(int, sys.argv[1].split(",")), start=3):
    os.dup2(fd, target)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does between fork and exec; its first argument: the descriptors to pass on."""


@pytest.fixture
def daemon(tmp_path, shared_issuer):
    daemon = Daemon(Machine(tmp_path), shared_issuer.url)
    assert daemon.admin("init").code == 0
    yield daemon
    if daemon._process is not None and daemon.process.poll() is None:
        daemon.kill()


def passing(daemon, *sockets, names=""):
    """Have the daemon started with sockets of the test's; returns what is to be its environment."""
    spare = [os.dup(one.fileno()) for one in sockets]
    moved = [os.dup2(fd, fd + 100) for fd in spare]
    daemon.under = (sys.executable, "-c", PASS, ",".join(map(str, moved)))
    return spare + moved, {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}


def run_passing(daemon, *sockets, names="", **more):
    """Run ``serve`` with these sockets to its end, which is to be an error; return code and stderr."""
    fds, listen = passing(daemon, *sockets, names=names)
    try:
        done = subprocess.run(
            [*daemon.under, program(BROKER), "serve"],
            env={**daemon.machine.environ, **listen, **more},
            pass_fds=fds,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    finally:
        for fd in fds:
            os.close(fd)
    return done.returncode, done.stderr


def test_the_life_of_a_service(daemon, tmp_path):
    """Ready when clients can connect, signs of life, a reload by SIGHUP, and its end."""
    with notices(tmp_path / "notify") as heard:
        daemon.start("serve", NOTIFY_SOCKET=heard.address, WATCHDOG_USEC="2000000")
        ready = heard.next("READY")
        assert ready["MAINPID"] == str(daemon.process.pid)
        assert ready["STATUS"] == f"{daemon.url}, 0 accounts"
        assert daemon.get("/healthz").status == 200
        for _ in range(3):
            assert heard.next("WATCHDOG")["WATCHDOG"] == "1"
        daemon.process.send_signal(signal.SIGHUP)
        heard.next("RELOADING")
        heard.next("READY")
        daemon.process.send_signal(signal.SIGTERM)
        heard.next("STOPPING")
        assert daemon.process.wait(LIMIT_S) == 0


def test_no_signs_of_life_without_a_store(daemon, tmp_path):
    """A store that does not answer is told, and the watchdog is left hungry until it does."""
    with notices(tmp_path / "notify") as heard:
        daemon.start("serve", NOTIFY_SOCKET=heard.address, WATCHDOG_USEC="1000000")
        heard.next("WATCHDOG")
        with closing(sqlite3.connect(daemon.home / "broker.db", isolation_level=None)) as store:
            store.execute("ALTER TABLE accounts RENAME TO elsewhere")
            while "trouble with store" not in heard.next("STATUS")["STATUS"]:
                pass
            before = len(heard.told)
            until_sync(lambda: daemon.get("/readyz").status == 503)
            store.execute("ALTER TABLE elsewhere RENAME TO accounts")
        while "trouble" in heard.next("STATUS")["STATUS"]:
            pass
        heard.next("WATCHDOG")
        well_again = next(n for n, told in enumerate(heard.told) if n >= before and "STATUS" in told)
        assert not [told for told in heard.told[before : well_again - 1] if "WATCHDOG" in told]


def test_hang_up_ends_what_a_person_started(daemon):
    """``up`` goes with its terminal: SIGHUP means nothing else there."""
    daemon.start("up")
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.process.wait(LIMIT_S) == -signal.SIGHUP


def test_a_socket_that_was_passed(daemon, tmp_path):
    """The daemon serves there, by name among several, and callers who came before it are served, too."""
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as other:
        port = api.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port))
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        fds, listen = passing(daemon, other, api, names="other:api")
        with (tmp_path / "out").open("w+") as out:
            process = subprocess.Popen(
                [*daemon.under, program(BROKER), "serve"],
                env={**daemon.machine.environ, **listen},
                pass_fds=fds,
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
            for fd in fds:
                os.close(fd)
            try:
                with early:
                    early.settimeout(LIMIT_S)
                    assert early.recv(100).startswith(b"HTTP/1.1 200")
                url = f"http://127.0.0.1:{port}"
                until_sync(lambda: (tmp_path / "out").read_text() == f"ready {url}\n")
                assert ask(url, "/healthz").status == 200
            finally:
                process.terminate()
                process.wait(LIMIT_S)
        assert process.returncode == 0


def test_a_passed_socket_that_others_reach(daemon):
    """What the settings would refuse is refused here as well: exit 8."""
    with socket.create_server(("0.0.0.0", 0)) as public:  # noqa: S104 - the subject
        code, err = run_passing(daemon, public)
    assert code == 8
    assert f"the socket passed for port {public_port(err)} at 0.0.0.0 would serve tokens in plain text" in err


def public_port(err):
    return err.partition("for port ")[2].split()[0]


def test_sockets_that_cannot_be_told_apart(daemon):
    """Two without a name are exit 2, with the name to give."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        code, err = run_passing(daemon, one, other, names="a:b")
    assert code == 2
    assert "passed 2 sockets: a, b" in err
    assert "FileDescriptorName=api" in err


@pytest.mark.parametrize("kind", ["a unix socket", "a datagram socket", "a file"])
def test_what_is_no_socket_of_ours(daemon, tmp_path, kind):
    """TCP only: exit 2."""
    passed = {
        "a unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "a datagram socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "a file": lambda: (tmp_path / "file").open("w"),
    }[kind]()
    with passed:
        code, err = run_passing(daemon, passed)
    assert code == 2
    assert "the socket that the service manager passed cannot be used" in err
