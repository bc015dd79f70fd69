"""How a daemon ends with an exchange under way, and that it leaves no process unreaped."""

import os
import signal
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.crash.operated import Operated, operated
from tests.support.issuer import Issuer
from tests.support.processes import children, is_exchange, state, stop
from tests.support.programs import BROKER, Machine, ended
from tests.support.wait import until_sync

SIGNALS = [(signal.SIGTERM, 0), (signal.SIGINT, 130)]


@pytest.fixture
def broker(tmp_path, issuer: Issuer) -> Iterator[Operated]:
    """Return a broker whose daemon is the test's child."""
    with operated(Machine(tmp_path), issuer) as running:
        yield running


def tell(broker: Operated, number: signal.Signals) -> None:
    """Send the daemon a signal; it has begun to stop on return."""
    broker.daemon.process.send_signal(number)
    until_sync(lambda: '"stopping"' in broker.daemon.log)


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as caller:
        return caller.connect_ex((parts.hostname, parts.port)) == 0


def exchange_of(broker: Operated) -> int:
    (pid,) = [pid for pid in children(broker.pid) if is_exchange(pid)]
    return pid


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_one_signal_ends_it_after_the_exchange(broker, number, code):
    """Nothing new is begun, the answer is committed, the exit code is 0 or 130."""
    broker.exchange()

    tell(broker, number)
    until_sync(lambda: not is_listening(broker.daemon.url))
    broker.issuer.release()

    assert broker.daemon.process.wait() == code
    assert broker.journal_phases() == []
    broker.start()
    assert broker.account() == ("active", 1)
    broker.assert_one_sending()


def test_what_waits_for_its_turn_is_not_begun(broker):
    """Of two refreshes, one at a time, the second is not sent once the daemon has been told to stop."""
    broker.daemon.stop()
    broker.daemon.machine.environ["CODEX_BROKER_REFRESH_PARALLEL"] = "1"
    broker.start()
    broker.daemon.hold(broker.issuer.mint(email="bob@example.com"), "bob")
    broker.issuer.fault("hold")
    both = broker.daemon.machine.start(BROKER, "account", "refresh", "--all", "--force")
    broker.issuer.until_held()

    tell(broker, signal.SIGTERM)
    broker.issuer.release()

    assert broker.daemon.process.wait() == 0
    said = ended(both)
    assert said.code == 5
    assert "the broker is stopping" in said.err
    assert len(broker.issuer.exchanges()) == 1
    broker.start()
    assert {shown["state"] for shown in broker.daemon.call("accounts_list")} == {"active"}


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_second_signal_ends_it_at_once(broker, number, code):
    """The exchange process goes on without the daemon; the next start commits its answer."""
    broker.exchange()
    exchange = exchange_of(broker)

    tell(broker, number)
    broker.daemon.process.send_signal(number)

    assert broker.daemon.process.wait() == code
    assert state(exchange) not in "ZX"
    broker.issuer.release()
    until_sync(lambda: state(exchange) in "ZX")
    broker.start()
    broker.settles("active", 1)
    broker.assert_one_sending()


@pytest.mark.reliability
def test_it_waits_for_no_exchange_for_ever(broker):
    """An exchange process that stands still holds a stop up for 40 s; awake again, it is heard."""
    broker.exchange()
    exchange = exchange_of(broker)
    stop(exchange)
    try:
        tell(broker, signal.SIGTERM)
        broker.issuer.release()

        assert broker.daemon.process.wait(60) == 0
        assert '"stopped"' in broker.daemon.log
        broker.start()
        assert broker.account() == ("refreshing", 0)
    finally:
        os.kill(exchange, signal.SIGCONT)
    until_sync(lambda: broker.account()[0] != "refreshing")
    assert [entry["decision"] for entry in broker.issuer.exchanges()] == ["rotated"]


def test_exchange_processes_are_reaped(broker):
    """Whether it ended or was killed, no zombie of an exchange stays with the daemon."""
    broker.daemon.call("account_refresh", name="ada", force=True)
    until_sync(lambda: not children(broker.pid))

    broker.exchange()
    os.kill(exchange_of(broker), signal.SIGKILL)

    broker.settles("in_doubt", 1)
    until_sync(lambda: not children(broker.pid))
