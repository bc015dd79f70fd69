"""The real Codex CLI with a machine credential where its refresh token would be: it knows of no broker."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from fetchtoken.domain.claims import unsigned_jwt
from tests.support.backend import REPLY

_numbers = count(1)
HOURS = timedelta(hours=2)


class Machine:
    """A machine that was enrolled: its credential, and where it exchanges it."""

    def __init__(self, team, name, account="work", *, known=None):
        self.name = name
        made = json.loads(team.broker("client", "add", name, "--account", account, "--machine", "--json"))
        self.credential = made["refresh_token"]
        self.url = team.remote["CODEX_REMOTE_URL"]
        # Whose login it is, as the broker says it: Codex stops where that changes under its hands.
        self.known = known or json.loads(team.fetchtoken("-f", "auth-json"))["tokens"]
        self.environment = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token"}

    def write(self, home: Path, *, access_token="", provenance=False):
        """Write the auth file of a login at the broker; its access token has expired unless one is given."""
        expired = unsigned_jwt({"exp": int((datetime.now(UTC) - HOURS).timestamp())})
        tokens = {
            "id_token": self.known["id_token"],
            "access_token": access_token or expired,
            "refresh_token": self.credential,
            "account_id": self.known["account_id"],
        }
        if provenance:
            tokens["oauth_provenance"] = {"issuer": self.url, "client_id": "app_x"}
        document = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens}
        document["last_refresh"] = "2026-01-01T00:00:00Z"
        file = home / "auth.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(document))
        return file


@pytest.fixture
def machine(team):
    """Return a machine of its own for each test, of the account ``work``."""
    return Machine(team, f"machine-{next(_numbers)}")


def held(file):
    return json.loads(file.read_text())["tokens"]


def exchanges(team):
    return len(team.issuer.exchanges())


@pytest.fixture
def current(team, codex):
    """The token that the broker holds, which the backend takes, and no exchange since."""
    token = team.fetchtoken().strip()
    codex.backend.accept(token)
    codex.use_auth_file()
    return token


@pytest.mark.trap("T4")
def test_a_turn_with_an_expired_token(team, codex, machine, current):
    """Codex gets the token from the broker, keeps the very credential, and nothing goes upstream."""
    before, file = exchanges(team), machine.write(codex.home)
    run = codex.run(**machine.environment)
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
    assert (held(file)["access_token"], held(file)["refresh_token"]) == (current, machine.credential)
    assert exchanges(team) == before


@pytest.mark.trap("T2")
def test_provenance_alone_leads_to_the_broker(codex, machine, current):
    """No variable is set: the file says whose credential it is, and Codex goes there."""
    file = machine.write(codex.home, provenance=True)
    run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE="")
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
    assert held(file)["access_token"] == current


@pytest.mark.trap("T19")
@pytest.mark.usefixtures("current")
def test_six_at_once_on_one_home(team, codex, machine):
    """All six turns succeed: a credential that never changes cannot have been used already."""
    before = exchanges(team)
    machine.write(codex.home)
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: codex.run(**machine.environment), range(6)))
    assert [(run.returncode, run.stdout.strip()) for run in runs] == [(0, REPLY)] * 6
    assert exchanges(team) == before


def test_a_rotation_between_two_runs(team, codex, machine, current):
    """A token that was replaced since is refused by the backend, and the newer one is fetched."""
    file = machine.write(codex.home, access_token=current)
    codex.backend.accept(team.rotate(), elsewhere=current)
    before = exchanges(team)
    run = codex.run(**machine.environment)
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
    assert held(file)["access_token"] != current
    assert exchanges(team) == before


@pytest.mark.trap("T12", "T14", "T18")
@pytest.mark.parametrize("by", ["administrator", "itself"])
def test_a_revoked_machine_is_told_so(team, codex, machine, current, by):
    """Codex says that its login was revoked; other machines and the account go on."""
    file = machine.write(codex.home)
    if by == "administrator":
        team.broker("client", "revoke", machine.name)
    else:
        revoked = codex.logout(CODEX_REVOKE_TOKEN_URL_OVERRIDE=f"{machine.url}/oauth/revoke")
        assert revoked.returncode == 0, revoked.stderr
        machine.write(codex.home)
    run = codex.run(**machine.environment)
    assert run.returncode == 1
    assert "your refresh token was revoked" in run.stderr
    assert "machine credential" not in run.stderr
    assert held(file)["refresh_token"] == machine.credential
    assert team.fetchtoken().strip() == current
    assert team.issuer.alive(current)


@pytest.mark.trap("T13", "T18")
@pytest.mark.usefixtures("current")
def test_an_outage_is_no_end_of_a_login(codex, machine):
    """With nobody at the token endpoint Codex speaks of a failed refresh, not of logging in again."""
    machine.write(codex.home)
    nobody = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "http://127.0.0.1:9/oauth/token"}
    run = codex.run(**nobody)
    assert run.returncode == 1
    assert "log out and sign in again" not in run.stderr
    assert codex.run(**machine.environment).returncode == 0
