"""``codex-broker account login`` with a real daemon: the account is as it was until the login is stored."""

import json
import signal

import pytest

from tests.support.command import Ran
from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.programs import BROKER, ended
from tests.support.visitor import visit
from tests.support.wait import until_sync
from tests.support.walking import start_account_login


@pytest.fixture(scope="module")
def sandbox():
    with issuer_in_thread() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def shared(tmp_path_factory, sandbox):
    with running_daemon(tmp_path_factory.mktemp("broker"), sandbox.url) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared, sandbox):
    """The daemon without accounts, and an issuer without faults, whose clock is right."""
    for account in shared.call("accounts_list"):
        shared.call("account_remove", name=account["account"])
    sandbox.clear_faults()
    sandbox.settings(offset_s=0)
    return shared


def account(daemon, name):
    return daemon.call("account_show", name=name)


def held(daemon, sandbox, name="work", email="ann@example.com"):
    """Have the daemon hold a login of somebody."""
    login = sandbox.mint(email=email)
    daemon.hold(login, name)
    return login


def test_a_new_account(daemon, sandbox):
    """A device login from nothing: an account that is served and renewed."""
    ran = start_account_login(daemon, sandbox, "ann").approve_device(email="ann@example.com").ended()
    assert (ran.code, ran.out) == (0, "logged in ann\n"), ran
    found = account(daemon, "ann")
    assert (found["state"], found["email"], found["source"]) == ("active", "ann@example.com", "login")
    key = daemon.add_client("laptop-ann", "ann")
    assert daemon.get("/codex/ann", key).status == 200
    assert daemon.admin("account", "refresh", "ann", "--force").code == 0
    actions = [
        (record["action"], record["detail"])
        for record in daemon.admin_json("audit", "list", "--account", "ann")
    ]
    assert ("account.added", "login") in actions
    for said in (daemon.log, ran.err, json.dumps(daemon.admin_json("audit", "list"))):
        assert not any(secret in said for secret in ("rt_", "ac_", "eyJ", "deviceauth_"))


@pytest.mark.usefixtures("callback_ports")
def test_by_browser_as_json(daemon, sandbox):
    """The browser comes back to the command, not to the daemon."""
    walking = start_account_login(daemon, sandbox, "ben", "--browser", "--no-open", "--json")
    assert walking.come_back(email="ben@example.com").status == 200
    ran = walking.ended()
    assert ran.code == 0, ran
    assert json.loads(ran.out)["account"] == "ben"


@pytest.mark.parametrize("fault", ["refuse-revoked", "commit-then-500"])
def test_an_account_that_needs_it(daemon, sandbox, fault):
    """Refused or in doubt, a new login of the same user makes it active, generation 0."""
    login = held(daemon, sandbox)
    sandbox.fault(fault, login_id=login.login_id)
    daemon.admin("account", "refresh", "work", "--force")
    assert account(daemon, "work")["state"] in ("login_required", "in_doubt")
    ran = start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com").ended()
    assert ran.code == 0, ran
    assert "account work is ann@example.com" in ran.err
    found = account(daemon, "work")
    assert (found["state"], found["generation"], found["problem"]) == ("active", 0, None)


def test_nothing_is_revoked(daemon, sandbox):
    """Clients may still use the old access token, and its refresh token may be in flight."""
    login = held(daemon, sandbox)
    before = len(sandbox.log())
    assert (
        start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com").ended().code == 0
    )
    assert "POST /oauth/revoke" not in [entry["route"] for entry in sandbox.log(after=before)]
    assert sandbox.alive(login.access_token)


def test_a_refresh_under_way_comes_too_late(daemon, sandbox):
    """The new login stands; what the old one's exchange still brings is kept sealed beside it."""
    login = held(daemon, sandbox)
    sandbox.fault("hold", login_id=login.login_id)
    refresh = daemon.machine.start(BROKER, "account", "refresh", "work", "--force")
    sandbox.until_held()
    ran = start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com").ended()
    assert ran.code == 0, ran
    new = account(daemon, "work")
    sandbox.release()
    ended(refresh)
    until_sync(lambda: account(daemon, "work")["late_answers"] != [])
    found = account(daemon, "work")
    assert (found["state"], found["generation"], found["expires_at"]) == ("active", 0, new["expires_at"])
    assert daemon.admin("account", "refresh", "work", "--force").code == 0


def test_another_users_login_is_refused(daemon, sandbox):
    """2 with both addresses; the account is as it was, and the login that nobody wants is ended."""
    held(daemon, sandbox)
    before = account(daemon, "work")
    ran = start_account_login(daemon, sandbox, "work").approve_device(email="eve@example.com").ended()
    assert ran.code == 2, ran
    assert "eve@example.com" in ran.err
    assert "ann@example.com" in ran.err.splitlines()[-2]
    assert account(daemon, "work") == before
    assert sandbox.log()[-1]["decision"] == "revoked"


def test_the_same_user_under_another_name_is_refused(daemon, sandbox):
    """2, naming the account that holds that user."""
    held(daemon, sandbox)
    ran = start_account_login(daemon, sandbox, "other").approve_device(email="ann@example.com").ended()
    assert (ran.code, "as account work" in ran.err) == (2, True), ran
    assert [each["account"] for each in daemon.call("accounts_list")] == ["work"]


def test_a_disabled_account_stays_disabled(daemon, sandbox):
    """A login changes whose tokens are held, not what an administrator ordered."""
    held(daemon, sandbox)
    daemon.call("account_disable", name="work")
    ran = start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com").ended()
    assert (ran.code, "stays disabled" in ran.err) == (0, True), ran
    assert account(daemon, "work")["disabled"]


def test_an_adopted_file_is_kept_fresh_after_a_login(daemon, sandbox):
    """Its tokens come from the new login from then on."""
    file = daemon.machine.auth_file
    file.parent.mkdir(mode=0o700, exist_ok=True)
    login = sandbox.mint(email="ann@example.com")
    login.write(file)
    assert daemon.admin("account", "adopt", str(file), "--name", "work").code == 0
    sandbox.revoke_login(login.login_id)
    assert (
        start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com").ended().code == 0
    )
    until_sync(lambda: json.loads(file.read_text())["tokens"]["access_token"] != login.access_token)
    assert sandbox.alive(json.loads(file.read_text())["tokens"]["access_token"])


@pytest.mark.parametrize(
    ("end", "code"),
    [("interrupt", 130), ("deny", 6), ("expire", 5), ("html", 7), ("500", 5)],
)
def test_every_other_end_leaves_the_account_as_it_was(daemon, sandbox, end, code):
    """Interrupted, denied, expired, or failed by the issuer: its exit code, and nothing else."""
    held(daemon, sandbox)
    before = account(daemon, "work")
    walking = start_account_login(daemon, sandbox, "work")
    walking.user_code()
    if end == "interrupt":
        walking.interrupt()
    elif end == "deny":
        walking.approve_device("deny")
    elif end == "expire":
        sandbox.settings(offset_s=1000)
    else:
        sandbox.fault(end)
        walking.approve_device(email="ann@example.com")
    ran = walking.ended()
    assert ran.code == code, ran
    assert account(daemon, "work") == before


@pytest.mark.usefixtures("callback_ports")
def test_a_wrong_state_leaves_the_account_as_it_was(daemon, sandbox):
    """8, as in the command."""
    held(daemon, sandbox)
    before = account(daemon, "work")
    walking = start_account_login(daemon, sandbox, "work", "--browser")
    walking.shown("http")
    visit("http://127.0.0.1:1455/auth/callback?code=ac_stranger&state=other")
    assert walking.ended().code == 8
    assert account(daemon, "work") == before


def test_a_command_killed_with_its_code_leaves_the_account_as_it_was(daemon, sandbox):
    """The login that was under way is lost, the old one is not."""
    held(daemon, sandbox)
    before = account(daemon, "work")
    sandbox.fault("hold")
    walking = start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com")
    sandbox.until_held()
    walking.send(signal.SIGKILL).ended()
    sandbox.release()
    assert account(daemon, "work") == before


def test_a_daemon_that_dies_meanwhile_is_done_without(daemon, sandbox):
    """The command stores the login itself, and the next daemon serves it."""
    sandbox.fault("hold")
    walking = start_account_login(daemon, sandbox, "work").approve_device(email="ann@example.com")
    sandbox.until_held()
    daemon.kill()
    sandbox.release()
    ran: Ran = walking.ended()
    daemon.start()
    assert ran.code == 0, ran
    assert account(daemon, "work")["state"] == "active"


def test_a_login_whose_answer_was_lost_is_taken_in_once(daemon, sandbox):
    """Told again after the account has been renewed or renamed, the broker knows it: no reason to end it."""
    login = sandbox.mint(email="ann@example.com")
    document = json.dumps(login.document)
    daemon.call("account_login_finish", name="work", document=document)
    daemon.call("account_refresh", name="work", force=True)
    before = account(daemon, "work")
    assert daemon.call("account_login_finish", name="work", document=document)["account"] == "work"
    daemon.call("account_rename", name="work", new_name="office")
    assert daemon.call("account_login_finish", name="work", document=document)["account"] == "office"
    assert account(daemon, "office")["generation"] == before["generation"] == 1


def test_usage(daemon, sandbox):
    """2 before anybody is asked."""
    for words, says in ((("Work",), "not allowed"), (("work", "--device", "--browser"), "contradict")):
        ran = start_account_login(daemon, sandbox, *words).ended()
        assert (ran.code, says in ran.err) == (2, True), ran
