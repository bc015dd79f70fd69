"""Exit codes of the SSH front door, with the real ``ssh`` against a real daemon over the sandbox issuer."""

import socket
import sqlite3

import pytest

from tests.contract.table import BROKER, case, cases_of, check
from tests.contract.test_codes_http import EXPIRED, SHORT
from tests.support.command import Ran
from tests.support.frontdoor import FrontDoor, running_front_door
from tests.support.sshkeys import rsa_line
from tests.support.wait import until_sync

ACCOUNTS = {"fresh": {}, "short": SHORT, "off": {}, "refused": EXPIRED, "waiting": EXPIRED, "damaged": {}}
FAULTS = {"refused": "refuse-grant", "waiting": "429"}


@pytest.fixture(scope="module")
def front(tmp_path_factory, shared_issuer):
    """A door with one account for each state behind it, and one client for each need."""
    issuer = shared_issuer
    with running_front_door(tmp_path_factory.mktemp("codes"), issuer.url) as found:
        logins = {name: issuer.mint(email=f"{name}@x.example", **age) for name, age in ACCOUNTS.items()}
        for name, fault in FAULTS.items():
            issuer.fault(fault, times=-1, login_id=logins[name].login_id)
        for name, login in logins.items():
            found.daemon.hold(login, name)
        found.daemon.call("account_disable", name="off")
        found.client("all", *ACCOUNTS)
        found.client("one", "fresh")
        found.client("reader", "fresh", scopes=["quota"])
        for name in FAULTS:
            until_sync(lambda name=name: found.daemon.call("account_show", name=name)["failures"])
        assert found.daemon.stop() == 0
        with sqlite3.connect(found.daemon.home / "broker.db") as store:
            store.execute("UPDATE accounts SET access_box = x'00' WHERE name = 'damaged'")
        store.close()
        found.daemon.start("serve")
        yield found


def _answers() -> None:
    for cause, who, line, says in [
        ("token", "one", "token", "ey"),
        ("token ACCOUNT", "all", "token fresh", "ey"),
        ("token --format json", "one", "token --format json", '"source":"ssh"'),
        ("token --format env --shell fish", "one", "token --format env --shell fish", "set -gx OPENAI_"),
        ("token --format header", "one", "token --format header", "Authorization: Bearer ey"),
        ("token --format auth-json", "one", "token --format auth-json", '"refresh_token": ""'),
        ("token --format opencode", "one", "token --format opencode", '"refresh":""'),
        ("token --min-valid", "all", "token short --min-valid 400", "ey"),
        ("what the ssh source runs", "one", "codex-fetchtoken --format json --account 'fresh'", '"fresh"'),
        ("accounts", "all", "accounts", "login_required"),
        ("accounts --json", "reader", "accounts --json", '"state": "active"'),
        ("whoami", "reader", "whoami --json", '"client": "reader"'),
        ("help", "one", "help", "The SSH front door"),
    ]:

        @case(BROKER, 0, f"ssh: {cause}", says=says)
        def _(front: FrontDoor, who: str = who, line: str = line) -> Ran:
            return front.ssh(who, line)


_answers()


def _refusals() -> None:
    for code, cause, who, line, says in [
        (2, "no such command", "one", "id", "no command 'id' here"),
        (2, "usage: --min-valid soon", "one", "token --min-valid soon", "--min-valid must be"),
        (2, "usage: token Fresh", "one", "token Fresh", "account name 'Fresh'"),
        (2, "several grants, no default", "all", "token", "no default"),
        (3, "refused and expired", "all", "token refused", "new login"),
        (5, "expired, the issuer is busy", "all", "token waiting", "expired"),
        (5, "under --min-valid", "all", "token short --min-valid 1900", "lives for"),
        (5, "the box does not open", "all", "token damaged", "sealed under a key"),
        (6, "another's account", "one", "token short", "no grant"),
        (6, "no such account", "one", "token nobody", "no grant"),
        (6, "disabled", "all", "token off", "disabled"),
        (6, "scope quota only", "reader", "token", "may not read tokens"),
    ]:

        @case(BROKER, code, f"ssh: {cause}", says=says)
        def _(front: FrontDoor, who: str = who, line: str = line) -> Ran:
            return front.ssh(who, line)


_refusals()


@case(BROKER, 0, "client add --ssh-key", says="cbk_", hint="known_hosts")
def _(front: FrontDoor) -> Ran:
    key = front.key("added")
    return front.daemon.admin("client", "add", "added", "--account", "fresh", "--ssh-key", str(key.public))


@case(BROKER, 0, "client rotate --ssh-key -", says="SHA256:", hint="known_hosts")
def _(front: FrontDoor) -> Ran:
    front.client("rotated", "fresh")
    public = front.key("next").public.read_text()
    return front.daemon.admin("client", "rotate", "rotated", "--ssh-key", "-", stdin=public)


@case(BROKER, 0, "client rotate --no-ssh-key", says="no SSH key")
def _(front: FrontDoor) -> Ran:
    front.client("without", "fresh")
    return front.daemon.admin("client", "rotate", "without", "--no-ssh-key")


@case(BROKER, 2, "client add --ssh-key: another's key", says="is that of client one")
def _(front: FrontDoor) -> Ran:
    key = front.key("one")
    return front.daemon.admin("client", "add", "two", "--account", "fresh", "--ssh-key", str(key.public))


@case(BROKER, 2, "client add --ssh-key: a weak key", says="RSA key of 1024 bits, too weak")
def _(front: FrontDoor) -> Ran:
    words = ("client", "add", "weak", "--account", "fresh", "--ssh-key", "-")
    return front.daemon.admin(*words, stdin=rsa_line(1024))


@case(BROKER, 4, "client add --ssh-key: no such file", says="does not exist")
def _(front: FrontDoor) -> Ran:
    return front.daemon.admin("client", "add", "two", "--account", "fresh", "--ssh-key", "nothing.pub")


@case(
    BROKER, 2, "ssh.listen: no address", says="ssh.listen: must be HOST:PORT", hint="CODEX_BROKER_SSH_LISTEN"
)
def _(front: FrontDoor) -> Ran:
    return front.daemon.admin("serve", CODEX_BROKER_SSH_LISTEN="22")


@case(BROKER, 2, "ssh.listen: a busy port", says="is taken by another program", hint="ssh.listen")
def _(front: FrontDoor) -> Ran:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        listen = f"127.0.0.1:{busy.getsockname()[1]}"
        other = str(front.root / "other")
        return front.daemon.admin("up", "--home", other, "--port", "0", CODEX_BROKER_SSH_LISTEN=listen)


@case(BROKER, 8, "the host key is open to others", says="ssh_host_ed25519_key is readable", hint="chmod 600")
def _(front: FrontDoor) -> Ran:
    other = front.root / "open"
    assert front.daemon.admin("init", "--home", str(other)).code == 0
    (other / "ssh_host_ed25519_key").chmod(0o644)
    listen = "127.0.0.1:0"
    return front.daemon.admin("serve", "--home", str(other), "--port", "0", CODEX_BROKER_SSH_LISTEN=listen)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_front_door_answers_as_the_contract_says(row, front):
    """Exit code, one line of error and one hint of ours, and no token in an error."""
    check(row, row.act(front))
