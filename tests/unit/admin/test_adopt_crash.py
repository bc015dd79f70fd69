"""An adoption that dies at any point: nothing is lost, nothing is used twice, run again it ends well."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.dying import CODE, POINTS
from tests.support.issuer import Issuer

ROOT = Path(__file__).parents[3]


def die(broker: Broker, point: str, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.dying", point, "account", "adopt", str(file)],
        env={**broker.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == CODE, done.stderr


def refresh_token_in(file: Path) -> str:
    return json.loads(file.read_text())["tokens"]["refresh_token"]


@pytest.mark.parametrize("point", POINTS)
def test_an_adoption_that_dies(broker: Broker, issuer: Issuer, point: str) -> None:
    """The login stays in the file or in the broker, is never usable in both, and is adopted in the end."""
    assert broker.run("init").code == 0
    (broker.root / ".codex").mkdir(mode=0o700)
    login = issuer.mint(email="ada@example.com")
    file = login.write(broker.root / ".codex" / "auth.json")

    die(broker, point, file)

    in_file = refresh_token_in(file) == login.refresh_token
    held = [broker.json("account", "show", row["account"]) for row in broker.json("account", "list")]
    assert in_file or held, "the refresh token is nowhere"
    if in_file:
        assert all(account["disabled"] and account["adopting"] for account in held)
        assert broker.run("account", "refresh", "--all", "--force").code == 0
        assert issuer.exchanges() == [], "the file still holds the token, so nobody may exchange it"
        enabled = broker.run("account", "enable", "ada")
        assert enabled.code != 0

    again = broker.run("account", "adopt", str(file))
    assert (again.code, again.out) == (0, "adopted ada\n"), again.err
    assert refresh_token_in(file) == ""
    assert file.stat().st_mode & 0o777 == 0o600
    (account,) = broker.json("account", "list")
    assert (account["state"], account["disabled"]) == ("active", False)
    assert broker.run("account", "refresh", "ada", "--force").out == "ada: refreshed\n"
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
    assert not list(file.parent.glob("*.tmp")) or point == "before replace"


@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_an_administrators_word_outlasts_an_adoption(broker: Broker, issuer: Issuer, when: str) -> None:
    """An account that was disabled stays so when its new login is adopted, and the command says it."""
    assert broker.run("init").code == 0
    (broker.root / ".codex").mkdir(mode=0o700)
    whose = {"email": "ada@example.com", "account_id": "acct", "user_id": "ada"}
    file = issuer.mint(age_s=100, **whose).write(broker.root / ".codex" / "auth.json")
    assert broker.run("account", "adopt", str(file)).code == 0
    file.unlink()
    issuer.mint(**whose).write(file)
    if when == "before":
        assert broker.run("account", "disable", "ada").code == 0
    die(broker, "after rewrite", file)
    if when == "in the middle":
        assert broker.run("account", "disable", "ada").code == 0
    again = broker.run("account", "adopt", str(file))
    assert (again.code, again.out) == (0, "adopted ada\n"), again.err
    assert "it stays disabled, as it was before: codex-broker account enable ada\n" in again.err
    shown = broker.json("account", "show", "ada")
    assert (shown["disabled"], shown["adopting"], shown["generation"]) == (True, False, 0)
    assert broker.run("account", "enable", "ada").code == 0
    assert broker.run("account", "refresh", "ada", "--force").out == "ada: refreshed\n"


def test_codex_refreshes_in_between(broker: Broker, issuer: Issuer) -> None:
    """A file that Codex itself renewed after the crash is adopted with what it holds now."""
    assert broker.run("init").code == 0
    (broker.root / ".codex").mkdir(mode=0o700)
    login = issuer.mint(email="ada@example.com")
    file = login.write(broker.root / ".codex" / "auth.json")
    die(broker, "before rewrite", file)
    _, answer = issuer.exchange(login.refresh_token)
    renewed = {**login.document["tokens"], **{key: answer[key] for key in ("access_token", "refresh_token")}}
    file.write_text(json.dumps({**login.document, "tokens": renewed}))

    assert broker.run("account", "adopt", str(file)).code == 0
    assert broker.run("account", "refresh", "ada", "--force").out == "ada: refreshed\n"
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated", "rotated"]


def test_an_unsettled_refresh_is_not_adopted(broker: Broker, issuer: Issuer) -> None:
    """A file whose last refresh got no answer is refused, since its token may be spent."""
    assert broker.run("init").code == 0
    (broker.root / ".codex").mkdir(mode=0o700)
    login = issuer.mint(email="ada@example.com", life_s=3600, age_s=3599)
    file = login.write(broker.root / ".codex" / "auth.json")
    issuer.fault("reset")
    environ = {"HOME": str(broker.root), "CODEX_REFRESH_TOKEN_URL_OVERRIDE": issuer.token_url}
    subprocess.run(
        [sys.executable, "-m", "tests.support.run_fetchtoken"],
        env={**environ, "PATH": broker.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (file.parent / "auth.json.attempt").exists()
    refused = broker.run("account", "adopt", str(file))
    assert refused.code == 5
    assert "an earlier refresh of" in refused.err
    assert broker.json("account", "list") == []
    assert refresh_token_in(file) == login.refresh_token
