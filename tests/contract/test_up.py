"""``codex-broker up``: a real process, its words on stdout, and what they lead to."""

import json
import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from broker.cli.programs import program
from tests.support.broker import Broker, Daemon
from tests.support.issuer import Issuer, start_issuer_process
from tests.support.lives import seen_ago
from tests.support.need import missing
from tests.support.wait import until_sync


def paste(line: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a printed line in a shell, as a second terminal of the same person would."""
    environ = {"HOME": str(root), "PATH": os.environ["PATH"]}
    command = ["/bin/sh", "-c", line]
    return subprocess.run(
        command, env=environ, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def commands(daemon: Daemon, count: int) -> list[str]:
    """Wait for so many lines that are no comments."""
    found: list[str] = []
    while len(found) < count:
        line = daemon.next_line()
        if not line.startswith("#"):
            found.append(line)
    return found


def codex_login(broker: Broker, issuer: Issuer) -> Path:
    """Write ``~/.codex/auth.json`` as a login at the issuer would."""
    (broker.root / ".codex").mkdir(mode=0o700)
    return issuer.mint(email="ada@example.com").write(broker.root / ".codex" / "auth.json")


def holder(broker: Broker) -> str:
    return (broker.home / "broker.lock").read_text().strip()


def test_without_a_login_or_options(broker: Broker) -> None:
    """The first line is ``ready http://127.0.0.1:7455``; then how to log in, and the sandbox."""
    with closing(socket.socket()) as probe:
        if probe.connect_ex(("127.0.0.1", 7455)) == 0:
            missing("port 7455", "another program listens there")
    with broker.daemon("up") as daemon:
        assert daemon.lines[0] == "ready http://127.0.0.1:7455"
        login, sandbox = commands(daemon, 2)
    assert login == f"{program('codex-broker')} account login work --home {broker.home}"
    assert sandbox == f"{program('codex-broker')} up --sandbox --home {broker.home}"


def test_a_login_is_offered_for_adoption(broker: Broker, issuer: Issuer) -> None:
    """With a login in ~/.codex the next line adopts it, pasted as it is."""
    file = codex_login(broker, issuer)
    with broker.daemon("up", "--port", "0") as daemon:
        (line,) = commands(daemon, 1)
        assert line == f"{program('codex-broker')} account adopt {file} --home {broker.home}"
        pasted = paste(line, broker.root)
        assert (pasted.returncode, pasted.stdout) == (0, "adopted ada\n"), pasted.stderr
    assert json.loads(file.read_text())["tokens"]["refresh_token"] == ""


def test_the_default_home_needs_no_option(broker: Broker, issuer: Issuer) -> None:
    """With the home that any terminal finds, the line to paste does not name it."""
    file = codex_login(broker, issuer)
    del broker.environ["CODEX_BROKER_HOME"]
    with broker.daemon("up", "--port", "0") as daemon:
        assert commands(daemon, 1) == [f"{program('codex-broker')} account adopt {file}"]
    assert (broker.root / ".local/state/codex-broker").stat().st_mode & 0o777 == 0o700


def test_adopt_with_the_first_start(broker: Broker, issuer: Issuer) -> None:
    """``up --adopt FILE`` serves, adopts, and then offers to make a client."""
    file = codex_login(broker, issuer)
    with broker.daemon("up", "--port", "0", "--adopt", str(file)) as daemon:
        adopted, client = commands(daemon, 2)
        assert adopted == "adopted ada"
        made = paste(client, broker.root)
        assert made.returncode == 0, made.stderr
        fetched = broker.fetch(daemon.url, made.stdout.strip())
    assert fetched.code == 0, fetched.err
    assert issuer.alive(fetched.out.strip())


def test_adopting_nothing_ends_the_start(broker: Broker) -> None:
    """``up --adopt`` of a file that does not exist stops again with the adoption's exit code."""
    with broker.daemon("up", "--port", "0", "--adopt", "/nonexistent/auth.json") as daemon:
        assert daemon.wait() == 4
    assert "/nonexistent/auth.json does not exist" in daemon.log.read_text()


def test_the_sandbox_line_prints_a_token(tmp_path: Path) -> None:
    """``up --sandbox`` prints a line which, pasted into a second terminal, prints a token."""
    person = Broker(tmp_path, None)
    with person.daemon("up", "--sandbox", "--port", "0") as daemon:
        (line,) = commands(daemon, 1)
        first = paste(line, tmp_path)
        assert first.returncode == 0, first.stderr
        assert first.stdout.count(".") == 2
        assert "cbk_" not in line
        keys = tmp_path / "home" / "sandbox" / "client.key"
        assert str(keys) in line
        assert keys.stat().st_mode & 0o777 == 0o600
    with person.daemon("up", "--sandbox", "--port", "0") as daemon:
        (again,) = commands(daemon, 1)
        second = paste(again, tmp_path)
    assert (second.returncode, second.stdout) == (0, first.stdout), "the second run uses the home again"


def test_a_sandbox_left_alone_for_weeks_still_works(tmp_path: Path) -> None:
    """Nobody else can hold a sandbox's login: it is replaced, without asking anybody."""
    person = Broker(tmp_path, None)
    with person.daemon("up", "--sandbox", "--port", "0") as daemon:
        commands(daemon, 1)
    seen_ago(tmp_path / "home" / "sandbox", 30 * 86_400)
    with person.daemon("up", "--sandbox", "--port", "0") as daemon:
        (line,) = commands(daemon, 1)
        assert paste(line, tmp_path).returncode == 0
        sandbox = ("--home", str(tmp_path / "home" / "sandbox"))
        assert person.json("account", "show", "sandbox", *sandbox)["problem"] is None


def test_a_second_daemon_names_the_first(broker: Broker) -> None:
    """A second daemon on the same home is refused with the pid of the first."""
    with broker.daemon("up", "--port", "0"):
        ran = broker.process("up", "--port", "0")
    assert ran.code == 2
    assert f"a broker is already running on {broker.home} (pid {holder(broker)})" in ran.err


def test_a_busy_port_is_named(broker: Broker) -> None:
    """A port that another program holds is exit 2, naming it and the option."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for words in (("up",), ("check",)):
            ran = broker.process(*words, "--port", str(port))
            assert ran.code == 2
            assert f"port {port} on 127.0.0.1 is taken by another program" in ran.err
            assert "--port" in ran.err


def test_a_second_run_uses_the_home_again(broker: Broker, issuer: Issuer) -> None:
    """What the first run took in, the second serves."""
    file = codex_login(broker, issuer)
    with broker.daemon("up", "--port", "0", "--adopt", str(file)) as daemon:
        commands(daemon, 1)
    with broker.daemon("up", "--port", "0"):
        assert [account["account"] for account in broker.json("account", "list")] == ["ada"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it_in_order(broker: Broker, number: signal.Signals, code: int) -> None:
    """SIGTERM is a stop (0), Ctrl-C an interruption (130); the socket is gone afterwards."""
    with broker.daemon("up", "--port", "0") as daemon:
        assert (broker.home / "admin.sock").exists()
        assert daemon.stop(number) == code
    assert not (broker.home / "admin.sock").exists()


def test_a_stop_waits_for_the_exchange(broker: Broker, issuer: Issuer) -> None:
    """A daemon that is told to stop in mid-exchange finishes it first."""
    file = codex_login(broker, issuer)
    with broker.daemon("up", "--port", "0", "--adopt", str(file)) as daemon:
        commands(daemon, 2)
        issuer.fault("hold")
        forced = subprocess.Popen(
            [program("codex-broker"), "account", "refresh", "ada", "--force"],
            env=broker.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        issuer.until_held()
        daemon.process.send_signal(signal.SIGTERM)
        until_sync(lambda: '"stopping"' in daemon.log.read_text())
        issuer.release()
        assert daemon.wait() == 0
        forced.wait()
    assert broker.json("account", "show", "ada")["generation"] == 1
    assert not list((broker.home / "journal").glob("*.journal"))


def test_a_second_signal_ends_the_waiting_and_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """Stopped twice in mid-exchange it ends at once; the next start finds the answer."""
    with start_issuer_process(tmp_path) as (issuer, _):
        broker.environ["CODEX_BROKER_ISSUER_URL"] = issuer.url
        file = codex_login(broker, issuer)
        with broker.daemon("up", "--port", "0", "--adopt", str(file)) as daemon:
            commands(daemon, 2)
            issuer.fault("hold")
            forced = subprocess.Popen(
                [program("codex-broker"), "account", "refresh", "ada", "--force"],
                env=broker.environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            issuer.until_held()
            daemon.process.send_signal(signal.SIGTERM)
            until_sync(lambda: '"stopping"' in daemon.log.read_text())
            assert daemon.stop(signal.SIGTERM) == 0
            forced.wait()
        issuer.release()
        with broker.daemon("serve", "--port", "0"):
            until_sync(lambda: broker.json("account", "show", "ada")["generation"] == 1)
        assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
