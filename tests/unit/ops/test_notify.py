"""sd_notify and socket activation, word by word, with a real datagram socket at the other end."""

import os
import secrets

import pytest
from structlog.testing import capture_logs

from broker.ops.notify import Manager, Passed, manager_of, passed_sockets
from tests.support.manager import notices

PID = 4711


@pytest.mark.parametrize("abstract", [False, True], ids=["a path", "an abstract name"])
def test_what_is_told(tmp_path, abstract):
    """Ready with the main process and the state, a new state, a reload, and the end."""
    where = f"@{secrets.token_hex(8)}" if abstract else tmp_path / "notify"
    with notices(where) as heard:
        manager = Manager(heard.address)
        manager.ready("here")
        assert heard.next("READY") == {"READY": "1", "MAINPID": str(os.getpid()), "STATUS": "here"}
        manager.reloading()
        told = heard.next("RELOADING")
        assert (told["RELOADING"], int(told["MONOTONIC_USEC"]) > 0) == ("1", True)
        manager.status("there")
        assert heard.next("STATUS") == {"STATUS": "there"}
        manager.stopping()
        assert heard.next("STOPPING")["STOPPING"] == "1"


def test_a_state_is_told_once(tmp_path):
    """The same words again are no news."""
    with notices(tmp_path / "notify") as heard:
        manager = Manager(heard.address)
        manager.ready("a")
        for text in ("a", "b", "b", "c"):
            manager.status(text)
        heard.next("READY")
        assert [heard.next("STATUS")["STATUS"] for _ in range(2)] == ["b", "c"]


def test_signs_of_life_come_at_half_the_time(tmp_path):
    """Work that is done more often gives no more of them."""
    now_s = 100.0
    with notices(tmp_path / "notify") as heard:
        manager = Manager(heard.address, 10.0, lambda: now_s)
        for now_s in (100.0, 100.5, 104.9, 105.0, 109.9, 110.1):  # noqa: B007 - the manager's clock
            manager.alive()
        manager.status("over")
        heard.next("STATUS")
    assert [told for told in heard.told if "WATCHDOG" in told] == [{"WATCHDOG": "1"}] * 3


def test_without_a_watchdog_there_are_none(tmp_path):
    """Nobody waits for them."""
    with notices(tmp_path / "notify") as heard:
        manager = Manager(heard.address)
        manager.alive()
        manager.status("over")
        heard.next("STATUS")
    assert len(heard.told) == 1


def test_without_a_manager_nothing_is_sent():
    """No socket, no error, no line in the log."""
    manager = Manager("", 10.0)
    with capture_logs() as lines:
        manager.ready("here")
        manager.alive()
    assert lines == []


def test_a_manager_that_has_gone_is_logged(tmp_path):
    """The daemon serves on."""
    with capture_logs() as lines:
        Manager(str(tmp_path / "nobody")).ready("here")
    assert [(line["event"], line["told"]) for line in lines] == [("service_manager_not_told", "READY=1")]


@pytest.mark.parametrize(
    ("usec", "watched", "every_s"),
    [
        ("30000000", "", 15.0),
        ("30000000", str(PID), 15.0),
        ("30000000", "1", 0.0),
        ("", "", 0.0),
        ("soon", "", 0.0),
        ("-1", "", 0.0),
    ],
)
def test_whose_watchdog_it_is(usec, watched, every_s):
    """The time counts for the process that the manager watches only (sd_watchdog_enabled(3))."""
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": watched, "HOME": "/"}
    assert manager_of(environ, PID)._every_s == every_s
    assert environ == {"HOME": "/"}, "children must not speak for the daemon"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_addresses_that_are_none_of_ours(address):
    """Only Unix sockets are spoken to."""
    assert manager_of({"NOTIFY_SOCKET": address}, PID)._address == ""


@pytest.mark.parametrize(
    ("count", "owner", "names", "passed"),
    [
        ("1", str(PID), "", [Passed(3, "")]),
        ("2", str(PID), "api:ssh", [Passed(3, "api"), Passed(4, "ssh")]),
        ("2", str(PID), "api", [Passed(3, "api"), Passed(4, "")]),
        ("0", str(PID), "", []),
        ("1", "1", "api", []),
        ("1", "", "api", []),
        ("many", str(PID), "", []),
        ("", "", "", []),
    ],
)
def test_which_sockets_were_passed(count, owner, names, passed):
    """From descriptor 3 on, by name, and only those that are meant for this process."""
    environ = {"LISTEN_FDS": count, "LISTEN_PID": owner, "LISTEN_FDNAMES": names, "HOME": "/"}
    assert passed_sockets(environ, PID) == passed
    assert environ == {"HOME": "/"}
