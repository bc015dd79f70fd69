"""``check`` tells of accounts in one finding each, however many are affected."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.issuer import Issuer
from tests.support.lives import seen_ago


@pytest.fixture
def home(broker: Broker) -> Broker:
    """A home with nothing in it."""
    assert broker.run("init").code == 0
    return broker


def add(broker: Broker, issuer: Issuer, *names: str) -> None:
    """Import logins."""
    for name in names:
        login = issuer.mint(email=f"{name}@example.com", account_id=f"acct-{name}", user_id=f"user-{name}")
        file = login.write(broker.root / f"{name}.json")
        assert broker.run("account", "import", str(file), "--sole-owner", "--name", name).code == 0


def spoil(broker: Broker, issuer: Issuer, fault: str, *names: str) -> None:
    """Let the exchange of each account fail."""
    for name in names:
        issuer.fault(fault)
        assert broker.run("account", "refresh", name, "--force").code in (3, 5)


def finding(broker: Broker, check: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of ``check``, and one finding."""
    ran = broker.run("check", "--port", "0", "--json")
    return ran.code, next(found for found in json.loads(ran.out) if found["check"] == check)


def test_many_doubts_are_one_finding(home: Broker, issuer: Issuer) -> None:
    """Three accounts in doubt are named together, with exit 5."""
    add(home, issuer, "a", "b", "c")
    spoil(home, issuer, "500", "a", "b", "c")
    code, found = finding(home, "doubts")
    assert (code, found["ok"]) == (5, False)
    assert found["detail"] == "3 accounts in doubt: a (in doubt), b (in doubt), c (in doubt)"
    assert "account show a" in found["hint"]


def test_one_doubt_says_what_to_do(home: Broker, issuer: Issuer) -> None:
    """A single account is told of in full."""
    add(home, issuer, "a")
    spoil(home, issuer, "500", "a")
    _, found = finding(home, "doubts")
    assert "still" not in found["detail"]
    assert "is served until" in found["detail"]
    assert "account replay a --yes" in found["hint"]


def test_waiting_logins_say_why(home: Broker, issuer: Issuer) -> None:
    """Another holder and a plain refusal are told apart, with exit 3."""
    add(home, issuer, "a", "b")
    spoil(home, issuer, "refuse-reused", "a")
    spoil(home, issuer, "refuse-expired", "b")
    code, found = finding(home, "logins")
    assert code == 3
    assert found["detail"] == "2 accounts waiting for a person: a (other holder), b (refused)"


def test_a_whole_home_that_slept_has_one_remedy(home: Broker, issuer: Issuer) -> None:
    """Many accounts are told of together, with the one command by which all go on."""
    names = ["a", "b", "c", "d", "e", "f", "g"]
    add(home, issuer, *names)
    seen_ago(home.home, 30 * 86_400)
    listed = home.run("account", "list").err.splitlines()
    assert [line.partition(" ")[0] for line in listed] == [*"abcde", "2"]
    assert listed[0].endswith("went on: codex-broker account show a")
    assert listed[-1] == "2 more need a person: codex-broker check"
    code, found = finding(home, "logins")
    assert code == 3
    assert found["detail"].startswith("7 accounts waiting for a person: a (restored), b (restored)")
    assert found["hint"].startswith(
        "if nothing has used these logins since: codex-broker account refresh --all --force; else"
    )
    assert issuer.exchanges() == []
    assert home.run("account", "refresh", "--all", "--force").code == 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"] * 7
    assert finding(home, "logins")[1]["ok"] is True


def adopt(broker: Broker, issuer: Issuer) -> Path:
    """Adopt a login."""
    file = issuer.mint(account_id="acct-a", user_id="user-a").write(broker.root / "auth.json")
    assert broker.run("account", "adopt", str(file), "--name", "a").code == 0
    return file


def test_an_adopted_file_follows(home: Broker, issuer: Issuer) -> None:
    """A rotation by a command alone reaches the file before the command ends."""
    file = adopt(home, issuer)
    before = file.read_text()
    assert home.run("account", "refresh", "a", "--force").code == 0
    assert file.read_text() != before
    assert finding(home, "files")[1]["detail"] == "1 adopted, with the token in force"


def test_a_new_login_in_an_adopted_file_is_found(home: Broker, issuer: Issuer) -> None:
    """Somebody logged in again there: exit 2, and the way to take it over."""
    file = adopt(home, issuer)
    issuer.mint(account_id="acct-a", user_id="user-a").write(file)
    code, found = finding(home, "files")
    assert (code, found["ok"]) == (2, False)
    assert found["hint"] == f"codex-broker account adopt {file}"


def test_an_export_is_on_record_before_it_leaves(home: Broker, issuer: Issuer) -> None:
    """The exported login works elsewhere, is never sent from here again, and the trail says so."""
    add(home, issuer, "a")
    ran = home.run("account", "export", "a", "--with-refresh-token")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert issuer.exchange(document["tokens"]["refresh_token"])[0] == 200
    assert home.run("account", "refresh", "a", "--force").code == 3
    assert len(issuer.exchanges()) == 1
    assert home.json("account", "show", "a")["last_error"] == "exported"
