"""``codex-fetchtoken login`` against the sandbox, with the old login watched at every end."""

import json
import signal
import socket

import pytest

from tests.support.command import Ran
from tests.support.programs import Machine
from tests.support.visitor import visit
from tests.support.wait import until_sync
from tests.support.walking import LOGIN_ISSUER, said_of, start_login


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def held(machine, issuer):
    """A machine that has a login."""
    machine.auth_file.parent.mkdir(mode=0o700)
    return issuer.mint(email="old@example.com").write(machine.auth_file)


def test_a_device_login_works_and_renews(machine, issuer):
    """From nothing to a token, and an exchange of the new login at its own issuer, with no setting."""
    ran = start_login(machine, issuer).approve_device(email="ann@example.com").ended()
    assert (ran.code, ran.out) == (0, ""), ran
    assert f"logged in as ann@example.com (plan pro): {machine.auth_file}" in ran.err
    before = machine.fetch()
    after = machine.fetch("--force-refresh")
    assert (before.code, after.code) == (0, 0)
    assert before.out != after.out
    assert issuer.alive(after.out.strip())


@pytest.mark.usefixtures("callback_ports")
def test_a_browser_login_works_beside_a_default(machine, issuer):
    """A named account is a file of its own; what Codex uses is not touched."""
    walking = start_login(machine, issuer, "work", "--browser")
    assert "close this page" in walking.come_back().text
    ran = walking.ended()
    assert ran.code == 0, ran
    assert "codex-fetchtoken --account work" in ran.err
    assert machine.fetch("--account", "work").code == 0
    assert not machine.auth_file.exists()


def test_the_replaced_login_is_revoked_last(machine, issuer, held):
    """Only after the new one stands; the log has the order."""
    old = said_of(held)["tokens"]
    ran = start_login(machine, issuer, "--force").approve_device().ended()
    assert ran.code == 0, ran
    assert "the login that it replaces is revoked" in ran.err
    assert not issuer.alive(old["access_token"])
    words = [(entry["route"], entry["decision"]) for entry in issuer.log()]
    assert words.index(("POST /oauth/revoke", "revoked")) > words.index(("POST /oauth/token", "logged in"))


@pytest.mark.usefixtures("held")
def test_a_revocation_that_fails_is_a_note(machine, issuer):
    """The new login stands, whatever becomes of the old one."""
    issuer.fault("500", route="/oauth/revoke")
    ran = start_login(machine, issuer, "--force").approve_device().ended()
    assert ran.code == 0, ran
    assert "could not be revoked: the issuer answered 500" in ran.err
    assert machine.fetch().code == 0


def test_a_login_that_another_file_holds_is_not_revoked(machine, issuer, held):
    """Tools that switch accounts by copying leave twins: the copy goes on working."""
    copy = machine.write(".codex/accounts/copy.json", held.read_bytes())
    ran = start_login(machine, issuer, "--force").approve_device().ended()
    assert f"not revoked: {copy} holds it, too" in ran.err
    assert "POST /oauth/revoke" not in [entry["route"] for entry in issuer.log()]


def test_a_login_that_is_there_is_not_replaced_unasked(machine, issuer, held):
    """Nobody is sent to a page for nothing."""
    before = held.read_bytes()
    ran = start_login(machine, issuer).ended()
    assert ran.code == 2
    assert "holds the login of old@example.com" in ran.err
    assert held.read_bytes() == before
    assert issuer.log() == []


def test_ctrl_c_while_waiting(machine, issuer, held):
    """130, and everything is as it was."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force")
    walking.user_code()
    ran = walking.interrupt().ended()
    assert (ran.code, held.read_bytes()) == (130, before), ran


@pytest.mark.usefixtures("callback_ports")
def test_ctrl_c_while_the_browser_is_awaited(machine, issuer, held):
    """130, the port is free again, and everything is as it was."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force", "--browser")
    walking.shown("http")
    ran = walking.interrupt().ended()
    assert (ran.code, held.read_bytes()) == (130, before), ran
    socket.create_server(("127.0.0.1", 1455)).close()


def test_denied_on_the_device_page(machine, issuer, held):
    """6: somebody said no."""
    before = held.read_bytes()
    ran = start_login(machine, issuer, "--force").approve_device("deny").ended()
    assert (ran.code, held.read_bytes()) == (6, before), ran
    assert "the login was denied" in ran.err


@pytest.mark.usefixtures("callback_ports")
def test_denied_in_the_browser(machine, issuer, held):
    """6: the browser brings the no."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force", "--browser")
    assert "Not logged in" in walking.come_back("deny").text
    ran = walking.ended()
    assert (ran.code, held.read_bytes()) == (6, before), ran


def test_a_device_code_that_expired(machine, issuer, held):
    """5: nothing was decided, so the same command may be run again."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force")
    walking.user_code()
    issuer.settings(offset_s=1000)
    ran = walking.ended()
    assert (ran.code, held.read_bytes()) == (5, before), ran
    assert "nobody approved the login in time" in ran.err


@pytest.mark.usefixtures("callback_ports")
def test_a_code_that_came_too_late(machine, issuer, held):
    """5: approved, but the issuer takes the code no more."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force", "--browser")
    issuer.fault("refuse-grant")
    walking.come_back()
    ran = walking.ended()
    assert (ran.code, held.read_bytes()) == (5, before), ran
    assert "came too late" in ran.err


@pytest.mark.usefixtures("callback_ports")
def test_an_answer_with_another_state(machine, issuer, held):
    """8: it may be a stranger's login that was approved."""
    before = held.read_bytes()
    walking = start_login(machine, issuer, "--force", "--browser")
    walking.shown("http")
    page = visit("http://127.0.0.1:1455/auth/callback?code=ac_stranger&state=other")
    assert "Not logged in" in page.text
    ran = walking.ended()
    assert (ran.code, held.read_bytes()) == (8, before), ran
    assert "another state" in ran.err


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", 5),
        ("reset", 5),
        ("torn", 5),
        ("html", 7),
        ("missing-fields", 7),
        ("no-id-token", 7),
        ("refuse-bare", 6),
        ("redirect-302", 6),
    ],
)
def test_the_issuer_fails_at_the_end(machine, issuer, held, fault, code):
    """Each answer to the code that is none has its class, and the old login stands."""
    before = held.read_bytes()
    issuer.fault(fault)
    ran = start_login(machine, issuer, "--force").approve_device().ended()
    assert (ran.code, held.read_bytes()) == (code, before), ran
    assert machine.fetch().code == 0


def test_a_kill_between_code_and_file(machine, issuer, held):
    """The old login stands byte for byte, and what was set aside is cleared away by the next login."""
    before = held.read_bytes()
    issuer.fault("hold")
    walking = start_login(machine, issuer, "--force").approve_device()
    issuer.until_held()
    walking.send(signal.SIGKILL).ended()
    assert held.read_bytes() == before
    assert machine.fetch().code == 0
    issuer.release()
    start_login(machine, issuer, "--force").approve_device().ended()
    assert list(held.parent.glob(".*.tmp")) == []


@pytest.mark.usefixtures("held")
def test_ctrl_c_between_code_and_file_waits(machine, issuer):
    """The code is spent, so the login is written down first, and the person is told."""
    issuer.fault("hold")
    walking = start_login(machine, issuer, "--force").approve_device(email="new@example.com")
    issuer.until_held()
    walking.interrupt()
    until_sync(lambda: "one moment" in walking.err)
    issuer.release()
    ran = walking.ended()
    assert ran.code == 0, ran
    assert "logged in as new@example.com" in ran.err


@pytest.mark.usefixtures("callback_ports")
def test_a_busy_port_makes_way(machine, issuer):
    """1457 is the other port that the issuer sends browsers to."""
    with socket.create_server(("127.0.0.1", 1455)):
        walking = start_login(machine, issuer, "--browser")
        assert "127.0.0.1%3A1457" in walking.shown("http")
        assert walking.come_back().status == 200
        assert walking.ended().code == 0


@pytest.mark.usefixtures("callback_ports")
def test_both_ports_busy(machine, issuer):
    """2, with the ports and the way that needs none."""
    with socket.create_server(("127.0.0.1", 1455)), socket.create_server(("127.0.0.1", 1457)):
        ran = start_login(machine, issuer, "--browser").ended()
    assert ran.code == 2
    assert "ports 1455 and 1457" in ran.err
    assert "--device" in ran.err


@pytest.mark.usefixtures("callback_ports")
def test_a_desktop_opens_its_browser(machine, issuer):
    """With a display the browser is the way, and is started; with --no-open only the link is shown."""
    opener = machine.write("bin/opener", f'#!/bin/sh\necho "$1" > {machine.home}/opened\n', mode=0o755)
    desktop = {"DISPLAY": ":77", "BROWSER": str(opener)}
    walking = start_login(machine, issuer, "shown", "--no-open", **desktop)
    link = walking.shown("http")
    assert "/oauth/authorize?" in link
    assert "ssh -L 1455:127.0.0.1:1455" in walking.interrupt().ended().err
    assert not (machine.home / "opened").exists()
    walking = start_login(machine, issuer, "opened", **desktop)
    link = walking.shown("http")
    until_sync(
        lambda: (machine.home / "opened").exists() and (machine.home / "opened").read_text() == f"{link}\n"
    )
    walking.come_back()
    assert "ssh -L" not in walking.ended().err


@pytest.mark.parametrize(
    ("words", "environ", "says"),
    [
        (("--device", "--browser"), {}, "contradict"),
        (("Work",), {}, "not allowed"),
        (("registry",), {}, "another tool's file"),
        ((), {LOGIN_ISSUER: "ftp://x"}, LOGIN_ISSUER),
        ((), {LOGIN_ISSUER: "unix:/run/x"}, LOGIN_ISSUER),
    ],
)
def test_usage(machine, issuer, words, environ, says):
    """What cannot be meant is said before anything is asked."""
    ran = start_login(machine, issuer, *words, **environ).ended()
    assert ran.code == 2, ran
    assert says in ran.err
    assert issuer.log() == []


def test_plain_http_to_another_host(machine, issuer):
    """8: a code in the clear is anybody's."""
    ran = start_login(machine, issuer, **{LOGIN_ISSUER: "http://issuer.example"}).ended()
    assert (ran.code, "plain http" in ran.err) == (8, True), ran


@pytest.mark.parametrize(("mode", "says"), [("keyring", "in the keyring"), ("ephemeral", "in memory")])
def test_codex_would_not_look_at_the_file(machine, issuer, mode, says):
    """2 for Codex's own login; an account of its own is possible all the same."""
    machine.write(".codex/config.toml", f'cli_auth_credentials_store = "{mode}"\n')
    ran = start_login(machine, issuer).ended()
    assert (ran.code, says in ran.err) == (2, True), ran
    assert "cli_auth_credentials_store" in ran.err
    assert start_login(machine, issuer, "work").approve_device().ended().code == 0


def test_nobody_is_asked_where_the_file_cannot_be_written(machine, issuer):
    """8 before the first page."""
    machine.write(".codex", "a file, where a directory should be")
    ran = start_login(machine, issuer).ended()
    assert (ran.code, issuer.log()) == (8, []), ran


def test_an_issuer_that_is_down(machine, issuer):
    """5 at the first question."""
    ran = start_login(machine, issuer, **{LOGIN_ISSUER: "http://127.0.0.1:9"}).ended()
    assert (ran.code, "127.0.0.1:9" in ran.err) == (5, True), ran


def test_what_a_remote_source_means(machine, issuer):
    """The login is local, and the person is told that it is not what is asked."""
    ran: Ran = start_login(machine, issuer, CODEX_TOKEN_SOURCE="remote").approve_device().ended()
    assert "--source local" in ran.err
    assert json.loads(machine.auth_file.read_text())["auth_mode"] == "chatgpt"
