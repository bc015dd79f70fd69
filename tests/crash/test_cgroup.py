"""A broker in a control group, as systemd has it: what each way of ending it does to an exchange."""

from collections.abc import Iterator

import pytest

from fetchtoken.oauth.journal import Phase
from tests.crash.operated import Operated, operated
from tests.support.cgroup import ControlGroup, KillMode, control_group
from tests.support.issuer import Issuer
from tests.support.processes import is_exchange, stop
from tests.support.programs import Machine
from tests.support.wait import until_sync


@pytest.fixture
def group(tmp_path) -> Iterator[ControlGroup]:
    """Return an empty control group."""
    with control_group(tmp_path / "cgroup") as made:
        yield made


@pytest.fixture
def broker(tmp_path, issuer: Issuer, group: ControlGroup) -> Iterator[Operated]:
    """Return a broker whose daemon lives in the group."""
    with operated(Machine(tmp_path), issuer, group.under) as running:
        yield running


def exchanges(group: ControlGroup) -> list[int]:
    return [pid for pid in group.pids() if is_exchange(pid)]


def test_only_the_exchange_outlives_its_daemon(broker, group):
    """KillMode=process: its main process killed, a unit has one process left, which ends by itself."""
    broker.exchange()
    assert broker.pid in group.pids()

    group.stop(broker.pid, KillMode.PROCESS)
    broker.daemon.process.wait()
    left = group.pids()
    assert left == exchanges(group)
    assert len(left) == 1

    broker.issuer.release()
    until_sync(lambda: not group.pids())
    assert broker.journal_phases() == [Phase.ANSWERED]

    broker.start()
    broker.settles("active", 1)
    broker.assert_one_sending()
    assert group.pids() == [broker.pid]


def test_a_restarted_unit_waits_for_the_exchange_that_it_finds(broker, group):
    """Restart=always: the new main process serves, sends nothing, and commits the answer when it comes."""
    broker.exchange()
    broker.daemon.kill()

    broker.start()

    assert broker.account() == ("refreshing", 0)
    assert broker.daemon.get("/codex", broker.key).status == 200
    refused = broker.daemon.admin("account", "refresh", "ada", "--force")
    assert refused.code == 5
    assert "an exchange is in flight" in refused.err
    assert len(exchanges(group)) == 1
    broker.issuer.release()
    broker.settles("active", 1)
    broker.assert_one_sending()


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        (KillMode.PROCESS, ("active", 1)),
        (KillMode.MIXED, ("in_doubt", 0)),
        (KillMode.CONTROL_GROUP, ("in_doubt", 0)),
    ],
)
def test_only_kill_mode_process_keeps_an_exchange_that_outlasts_the_stop(broker, group, mode, end):
    """``TimeoutStopSec`` passes in mid-exchange: the answer is kept, or the account is in doubt."""
    broker.exchange()

    group.stop(broker.pid, mode)
    broker.daemon.process.wait()
    broker.issuer.release()
    until_sync(lambda: not group.pids())

    broker.start()
    broker.settles(*end)
    assert [entry["decision"] for entry in broker.issuer.exchanges()] == ["rotated"]


@pytest.mark.parametrize("fault", ["hold", "hold-before"])
def test_a_killed_group_leaves_a_doubt_that_is_told(broker, group, fault):
    """Everybody dies in mid-exchange: in doubt, said everywhere, and nothing is sent once more."""
    broker.exchange(fault)

    group.kill()
    broker.daemon.process.wait()
    assert broker.journal_phases() == [Phase.SENT]
    broker.issuer.release()

    broker.start()
    broker.assert_told()
    assert broker.daemon.get("/codex", broker.key).status == 200
    assert len(broker.issuer.exchanges()) == 1


def test_a_killed_group_keeps_an_answer_that_the_journal_has(broker, group):
    """Everybody dies after the answer was written down and before the daemon read it: it is committed."""
    broker.exchange()
    stop(broker.pid)
    broker.issuer.release()
    until_sync(lambda: not exchanges(group))

    group.kill()
    broker.daemon.process.wait()
    assert broker.journal_phases() == [Phase.ANSWERED]

    broker.start()
    broker.settles("active", 1)
    broker.assert_one_sending()
