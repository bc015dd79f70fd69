"""Accounts switched and renamed while they are refreshed: nothing is sent twice, nothing lost."""

import json

import pytest

from tests.crash.test_local_steps import killed_at
from tests.support.command import Ran
from tests.support.laptop import EXPIRED, STALE

MANY = 20


def ended(process):
    with process:
        out, err = process.communicate(timeout=90)
    return Ran(process.returncode, out, err)


@pytest.fixture
def accounts(laptop):
    """A machine with the accounts ``one`` and ``two`` and a login that stands at auth.json itself."""
    directory = laptop.codex_home / "accounts"
    directory.mkdir()
    logins = {name: laptop.log_in(directory / f"{name}.json", **STALE) for name in ("one", "two")}
    logins["three"] = laptop.log_in(email="three@example.com", **STALE)
    return logins


@pytest.mark.usefixtures("accounts")
def test_twenty_switches_beside_refreshes(laptop):
    """Each command ends well; each login is alive in the one file that it has, and none was reused."""
    words = [("use", "one"), ("refresh", "--force", "one"), ("use", "two"), ("refresh", "--force")]
    started = [laptop.start(*words[number % len(words)]) for number in range(MANY)]
    for process in started:
        ran = ended(process)
        assert ran.code == 0, ran
    assert laptop.auth.is_symlink()
    assert set(laptop.sent()) == {"rotated"}
    files = sorted((laptop.codex_home / "accounts").glob("*.json"))
    assert [file.name for file in files] == ["one.json", "three.json", "two.json"]
    for file in files:
        document = json.loads(file.read_text())
        assert laptop.issuer.alive(document["tokens"]["access_token"])
        assert laptop.issuer.exchange(document["tokens"]["refresh_token"])[0] == 200
    assert laptop.litter() == []


def test_a_switch_waits_for_a_refresh_that_is_under_way(laptop, accounts):
    """The answer goes into the file from which the token came, and then that file is moved."""
    laptop.issuer.fault("hold")
    refresh = laptop.start("refresh", "--force")
    laptop.issuer.until_held()
    switch = laptop.start("use", "one")
    laptop.issuer.release()
    assert (ended(refresh).code, ended(switch).code) == (0, 0)
    moved = json.loads((laptop.codex_home / "accounts/three.json").read_text())
    assert moved["tokens"]["refresh_token"] != accounts["three"].refresh_token
    assert laptop.issuer.alive(moved["tokens"]["access_token"])


def test_a_doubt_goes_with_its_login(laptop):
    """Moved, renamed and back in use, a token in doubt is not sent again."""
    (laptop.codex_home / "accounts").mkdir()
    laptop.log_in(laptop.codex_home / "accounts/one.json", **STALE)
    laptop.log_in(email="ann@example.com", **EXPIRED)
    laptop.issuer.fault("commit-then-reset")
    assert laptop.run().code == 5
    for words in (("use", "one"), ("rename", "ann", "bea"), ("use", "bea"), ("rename", "bea", "cleo")):
        assert laptop.run(*words).code == 0
        assert laptop.litter() == []
    ran = laptop.run()
    assert (ran.code, "in doubt" in ran.err) == (5, True)
    assert len(laptop.sent()) == 1


def test_an_answer_that_is_not_committed_yet_goes_with_its_login(laptop):
    """Killed behind the answer, then moved and renamed: the next resolve commits it without a request."""
    (laptop.codex_home / "accounts").mkdir()
    laptop.log_in(laptop.codex_home / "accounts/one.json", **STALE)
    login = laptop.log_in(email="ann@example.com", **EXPIRED)
    killed_at(laptop, "rename", 2)
    for words in (("use", "one"), ("rename", "ann", "bea")):
        assert laptop.run(*words).code == 0
    ran = laptop.run("--account", "bea")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() not in ("", login.access_token)
    assert laptop.issuer.alive(ran.out.strip())
    assert laptop.sent() == ["rotated"]
