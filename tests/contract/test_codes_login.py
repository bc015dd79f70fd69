"""Exit codes of ``login`` and ``account login``; what the walk shows is left out of what is checked."""

import socket

import pytest

from tests.contract.table import BROKER, FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.programs import Machine
from tests.support.visitor import visit
from tests.support.walking import LOGIN_ISSUER, Walking, start_account_login, start_login

CALLBACK = "http://127.0.0.1:1455/auth/callback"


class Stage:
    """A machine without a login, a broker without accounts, and the issuer of both."""

    def __init__(self, machine: Machine, daemon: Daemon, issuer: Issuer) -> None:
        self.machine = machine
        self.daemon = daemon
        self.issuer = issuer

    def login(self, *words: str, **more: str) -> Walking:
        return start_login(self.machine, self.issuer, *words, **more)

    def account(self, *words: str) -> Walking:
        return start_account_login(self.daemon, self.issuer, *words)

    def held(self) -> None:
        """Put a login where Codex keeps it."""
        self.machine.auth_file.parent.mkdir(mode=0o700)
        self.issuer.mint().write(self.machine.auth_file)


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("broker"), shared_issuer.url) as daemon:
        yield daemon


@pytest.fixture
def stage(tmp_path, shared_daemon, shared_issuer):
    shared_issuer.clear_faults()
    shared_issuer.settings(offset_s=0)
    for account in shared_daemon.call("accounts_list"):
        shared_daemon.call("account_remove", name=account["account"])
    return Stage(Machine(tmp_path), shared_daemon, shared_issuer)


def end(walking: Walking) -> Ran:
    """Return what the command did, without what the walk showed before its end."""
    ran = walking.ended()
    lines = [line for line in ran.err.splitlines() if not line.startswith(("  ", *_SHOWN))]
    return Ran(ran.code, ran.out, "".join(f"{line}\n" for line in lines))


_WORDS = ("open this page", "never give the code", "if the browser is on another", "account work is")
_SHOWN = (*_WORDS, *(f"note: {words}" for words in _WORDS))


@case(FETCHTOKEN, 0, "login: a device, then a token", hint="logged in as sandbox@example.com", notes=1)
def _(stage: Stage) -> Ran:
    ran = end(stage.login().approve_device())
    assert stage.machine.fetch().code == 0
    return ran


@case(FETCHTOKEN, 0, "login NAME: the browser, then a token", hint="accounts/work.json", notes=2)
def _(stage: Stage) -> Ran:
    walking = stage.login("work", "--browser")
    walking.come_back()
    ran = end(walking)
    assert stage.machine.fetch("--account", "work").code == 0
    return ran


@case(FETCHTOKEN, 0, "login --force: the old one is revoked last", hint="is revoked", notes=2)
def _(stage: Stage) -> Ran:
    stage.held()
    return end(stage.login("--force").approve_device())


@case(FETCHTOKEN, 2, "login: there is one already", says="holds the login of", hint="--force")
def _(stage: Stage) -> Ran:
    stage.held()
    return end(stage.login())


@case(FETCHTOKEN, 2, "login: --device and --browser", says="contradict")
def _(stage: Stage) -> Ran:
    return end(stage.login("--device", "--browser"))


@case(FETCHTOKEN, 2, "login: both ports are busy", says="1455 and 1457", hint="--device")
def _(stage: Stage) -> Ran:
    with socket.create_server(("127.0.0.1", 1455)), socket.create_server(("127.0.0.1", 1457)):
        return end(stage.login("--browser"))


@case(
    FETCHTOKEN,
    2,
    "login: Codex keeps its login in the keyring",
    says="keyring",
    hint="cli_auth_credentials_store",
)
def _(stage: Stage) -> Ran:
    stage.machine.write(".codex/config.toml", 'cli_auth_credentials_store = "keyring"\n')
    return end(stage.login())


@case(FETCHTOKEN, 2, "login: the file is a broker's", says="the token of a broker", hint="account login")
def _(stage: Stage) -> Ran:
    text = '{"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": "x", "refresh_token": ""}}'
    stage.machine.write(".codex/auth.json", text)
    return end(stage.login())


@case(FETCHTOKEN, 5, "login: nobody approved in time", says="in time", hint="again")
def _(stage: Stage) -> Ran:
    walking = stage.login()
    walking.user_code()
    stage.issuer.settings(offset_s=1000)
    return end(walking)


@case(FETCHTOKEN, 5, "login: the code came too late", says="too late", hint="again")
def _(stage: Stage) -> Ran:
    stage.issuer.fault("refuse-grant")
    return end(stage.login().approve_device())


@case(FETCHTOKEN, 5, "login: the issuer is down", says="127.0.0.1:9")
def _(stage: Stage) -> Ran:
    return end(stage.login(**{LOGIN_ISSUER: "http://127.0.0.1:9"}))


@case(FETCHTOKEN, 6, "login: denied on the device page", says="denied", hint="again")
def _(stage: Stage) -> Ran:
    return end(stage.login().approve_device("deny"))


@case(FETCHTOKEN, 6, "login: denied in the browser", says="denied", hint="again")
def _(stage: Stage) -> Ran:
    walking = stage.login("--browser")
    walking.come_back("deny")
    return end(walking)


@case(FETCHTOKEN, 7, "login: the issuer answers nonsense", says="lacks a token", hint="again")
def _(stage: Stage) -> Ran:
    stage.issuer.fault("html")
    return end(stage.login().approve_device())


@case(FETCHTOKEN, 8, "login: another state comes back", says="another state", hint="again")
def _(stage: Stage) -> Ran:
    walking = stage.login("--browser")
    walking.shown("http")
    visit(f"{CALLBACK}?code=ac_stranger&state=other")
    return end(walking)


@case(FETCHTOKEN, 8, "login: plain http to an issuer elsewhere", says="plain http", hint="https")
def _(stage: Stage) -> Ran:
    return end(stage.login(**{LOGIN_ISSUER: "http://issuer.example"}))


@case(FETCHTOKEN, 130, "login: Ctrl-C")
def _(stage: Stage) -> Ran:
    walking = stage.login()
    walking.user_code()
    return end(walking.interrupt())


@case(BROKER, 0, "account login: a new account", says="logged in work")
def _(stage: Stage) -> Ran:
    return end(stage.account("work").approve_device())


@case(BROKER, 0, "account login: one that needs it", says="logged in work")
def _(stage: Stage) -> Ran:
    login = stage.issuer.mint(email="ann@example.com")
    stage.daemon.hold(login, "work")
    stage.issuer.fault("refuse-revoked", login_id=login.login_id)
    assert stage.daemon.admin("account", "refresh", "work", "--force").code == 3
    ran = end(stage.account("work").approve_device(email="ann@example.com"))
    assert stage.daemon.call("account_show", name="work")["state"] == "active"
    return ran


@case(BROKER, 2, "account login: another user's", says="eve@example.com's", hint="ann@example.com")
def _(stage: Stage) -> Ran:
    stage.daemon.hold(stage.issuer.mint(email="ann@example.com"), "work")
    return end(stage.account("work").approve_device(email="eve@example.com"))


@case(BROKER, 2, "account login Work", says="not allowed")
def _(stage: Stage) -> Ran:
    return end(stage.account("Work"))


@case(BROKER, 5, "account login: nobody approved in time", says="in time", hint="again")
def _(stage: Stage) -> Ran:
    walking = stage.account("work")
    walking.user_code()
    stage.issuer.settings(offset_s=1000)
    return end(walking)


@case(BROKER, 6, "account login: denied", says="denied", hint="again")
def _(stage: Stage) -> Ran:
    return end(stage.account("work").approve_device("deny"))


@case(BROKER, 8, "account login: another state comes back", says="another state", hint="again")
def _(stage: Stage) -> Ran:
    walking = stage.account("work", "--browser")
    walking.shown("http")
    visit(f"{CALLBACK}?code=ac_stranger&state=other")
    return end(walking)


@case(BROKER, 130, "account login: Ctrl-C")
def _(stage: Stage) -> Ran:
    walking = stage.account("work")
    walking.user_code()
    return end(walking.interrupt())


@pytest.mark.usefixtures("callback_ports")
@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code(stage, row):
    """Each way through a login, and each way out of it, has its code."""
    check(row, row.act(stage))
