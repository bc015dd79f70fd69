"""A broker in a container: a PID namespace, with the init that we ship and with none."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from fetchtoken.oauth.journal import Phase
from tests.crash.operated import Operated, operated
from tests.support.container import PID1, first_process, in_container, main_process
from tests.support.issuer import Issuer
from tests.support.processes import children, is_exchange, state
from tests.support.programs import Machine
from tests.support.wait import until_sync

Contain = Callable[..., Operated]


@pytest.fixture
def contain(tmp_path, issuer: Issuer) -> Iterator[Contain]:
    """Return what runs a broker in a container with the given PID 1; none makes it the daemon itself."""
    with ExitStack() as stack:
        yield lambda *init: stack.enter_context(operated(Machine(tmp_path), issuer, in_container(*init)))


def kill_the_broker(broker: Operated) -> None:
    """SIGKILL ``codex-broker`` in its container, as the kernel does when memory runs out."""
    main = main_process(broker.pid)
    os.kill(main, signal.SIGKILL)
    until_sync(lambda: state(main) in "ZX")


def orphans(broker: Operated) -> list[int]:
    return [pid for pid in children(first_process(broker.pid)) if is_exchange(pid)]


def test_the_init_outlives_a_killed_broker_until_its_exchange_has_ended(contain):
    """The container stays for the answer and ends with 137; its next start commits."""
    broker = contain(*PID1)
    broker.exchange()

    kill_the_broker(broker)
    until_sync(lambda: orphans(broker))
    assert broker.daemon.process.poll() is None
    broker.issuer.release()

    assert broker.daemon.process.wait() == 128 + signal.SIGKILL
    assert broker.journal_phases() == [Phase.ANSWERED]
    assert "pid1: the program has ended; its orphans have 45 s to end" in broker.daemon.log
    broker.start()
    broker.settles("active", 1)
    broker.assert_one_sending()


def test_without_an_init_a_killed_broker_leaves_a_doubt_that_is_told(contain):
    """As PID 1 the broker takes its exchange with it: in doubt, said everywhere, nothing sent again."""
    broker = contain()
    broker.exchange()

    os.kill(first_process(broker.pid), signal.SIGKILL)

    broker.daemon.process.wait()
    assert broker.journal_phases() == [Phase.SENT]
    broker.issuer.release()
    broker.start()
    broker.assert_told()
    assert [entry["decision"] for entry in broker.issuer.exchanges()] == ["rotated"]


@pytest.mark.parametrize("init", [PID1, ()], ids=["with init", "without"])
def test_a_stopped_container_ends_after_the_exchange(contain, init):
    """SIGTERM to PID 1 (``docker stop``): the broker waits for the answer, commits, ends with 0."""
    broker = contain(*init)
    broker.exchange()

    os.kill(first_process(broker.pid), signal.SIGTERM)
    until_sync(lambda: '"stopping"' in broker.daemon.log)
    broker.issuer.release()

    assert broker.daemon.process.wait() == 0
    assert broker.journal_phases() == []
    broker.start()
    assert broker.account() == ("active", 1)
    broker.assert_one_sending()


def test_a_hurried_stop_leaves_the_exchange_to_the_init(contain):
    """After a second SIGTERM the broker ends at once, and the container with its exit code once it may."""
    broker = contain(*PID1)
    broker.exchange()
    first = first_process(broker.pid)

    os.kill(first, signal.SIGTERM)
    until_sync(lambda: '"stopping"' in broker.daemon.log)
    os.kill(first, signal.SIGTERM)
    until_sync(lambda: orphans(broker))
    # Whoever is impatient now reaches nobody: what is left ignores it, and so does the init.
    os.kill(first, signal.SIGTERM)
    broker.issuer.release()

    assert broker.daemon.process.wait() == 0
    broker.start()
    broker.settles("active", 1)
    broker.assert_one_sending()


def test_the_init_gives_up_what_does_not_end(contain):
    """Past its limit it ends all the same, and says so; the account is in doubt."""
    broker = contain(*PID1, "--wait", "0")
    broker.exchange()

    kill_the_broker(broker)

    assert broker.daemon.process.wait() == 128 + signal.SIGKILL
    assert "pid1: its orphans have not ended, and are given up" in broker.daemon.log
    assert broker.journal_phases() == [Phase.SENT]
    broker.issuer.release()
    broker.start()
    broker.settles("in_doubt", 0)


def test_a_killed_container_leaves_a_doubt(contain):
    """SIGKILL of the init (``docker kill``) takes everybody: in doubt, and nothing is sent again."""
    broker = contain(*PID1)
    broker.exchange()

    os.kill(first_process(broker.pid), signal.SIGKILL)

    broker.daemon.process.wait()
    assert broker.journal_phases() == [Phase.SENT]
    broker.issuer.release()
    broker.start()
    broker.settles("in_doubt", 0)
    assert [entry["decision"] for entry in broker.issuer.exchanges()] == ["rotated"]
