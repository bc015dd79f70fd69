"""The real Codex CLI after ``codex setup``, in each mode, and after ``codex undo``."""

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret
from tests.clients.conftest import BIN
from tests.support.backend import REPLY
from tests.support.setting_up import recording_systemctl

COMMAND = str(BIN / "codex-fetchtoken")
UNIT = ".config/systemd/user/codex-fetchtoken-sync.service"


class Machine:
    """Whose Codex is set up: a person with a broker in the environment."""

    def __init__(self, team, codex):
        self.team, self.codex = team, codex
        self.home = codex.home.parent
        self.log = recording_systemctl(self.home / "bin")
        path = f"{self.log.parent}:{os.environ.get('PATH', os.defpath)}"
        self.environment = {
            "PATH": path,
            "HOME": str(self.home),
            "CODEX_HOME": str(codex.home),
            **team.remote,
        }
        self.token = team.fetchtoken().strip()
        codex.backend.accept(self.token)

    @property
    def auth(self):
        return json.loads((self.codex.home / "auth.json").read_text())

    def run(self, *words):
        done = subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def works(self, **extra):
        """Assert a whole turn with the current bearer and its account, and no other bearer on the way."""
        self.codex.backend.requests.clear()
        run = self.codex.run(**extra)
        assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
        seen = {(one.bearer, one.account_id, one.status) for one in self.codex.backend.responses}
        account_id = json.loads(self.run("-f", "json"))["account_id"]
        assert seen == {(Secret(self.token).fingerprint(), account_id, 200)}

    def rotate(self):
        """Have another token from now on, and no other that counts."""
        self.token = self.team.rotate()
        self.codex.backend.accept(self.token)


@pytest.fixture
def machine(team, codex):
    codex.use_auth_file()
    return Machine(team, codex)


def test_a_file(machine):
    """Codex works with the file, with what the timer makes of it after a rotation, and after undo."""
    config = (machine.codex.home / "config.toml").read_bytes()
    machine.run("codex", "setup", "--mode", "file")
    machine.works()
    machine.rotate()
    [line] = [one for one in (machine.home / UNIT).read_text().splitlines() if one.startswith("ExecStart=")]
    machine.run(*shlex.split(line.removeprefix(f"ExecStart={COMMAND} ")))
    machine.works()
    machine.run("codex", "undo")
    machine.works()
    assert (machine.codex.home / "config.toml").read_bytes() == config
    assert machine.codex.backend.token_requests == []


def test_a_command(machine):
    """Codex runs it for each session, a rotation between them included; undo brings back what was before."""
    machine.run("sync")
    path = machine.codex.home / "config.toml"
    # Where a person behind a proxy tells Codex of it.
    path.write_text(f'openai_base_url = "{machine.codex.backend.url}/v1"\n' + path.read_text())
    before = path.read_bytes()
    machine.run("codex", "setup", "--mode", "command", "--force")
    assert b'model_provider = "codex-fetchtoken"' in path.read_bytes()
    # A repository that Codex is run in cannot lead the command to another broker, nor keep it from its own.
    hostile = machine.codex.home / "scorpiox-env.txt"
    hostile.write_text("CODEX_REMOTE_URL=https://elsewhere.example\nCODEX_ACCOUNT=another\n")
    machine.works(**machine.team.remote)
    machine.rotate()
    machine.works(**machine.team.remote)
    machine.run("codex", "undo")
    assert path.read_bytes() == before
    machine.run("sync")
    machine.works()


@pytest.mark.trap("T34")
def test_a_rotation_in_a_session_with_the_command(machine):
    """A copy is printed without a question elsewhere, not here: after a refusal there is the newer token."""
    del machine.environment["CODEX_CACHE_MAX_AGE"]
    path = machine.codex.home / "config.toml"
    path.write_text(f'openai_base_url = "{machine.codex.backend.url}/v1"\n' + path.read_text())
    machine.run("codex", "setup", "--mode", "command", "--force")
    machine.codex.backend.meanwhile(machine.rotate)
    run = machine.codex.run(**{**machine.team.remote, "CODEX_CACHE_MAX_AGE": ""})
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
    assert [one.status for one in machine.codex.backend.responses] == [200, 401, 200]


def test_a_command_in_a_config_with_dotted_keys(machine):
    """The provider in one line, where there can be no table of its own, is read by Codex as well."""
    path = machine.codex.home / "config.toml"
    backend = machine.codex.backend.url
    path.write_text(
        f"chatgpt_base_url = '{backend}/backend-api'\nopenai_base_url = '{backend}/v1'\n"
        "model_providers.mine.name = 'mine'\nmodel_providers.mine.base_url = 'http://127.0.0.1:9'\n"
        "model = 'gpt-fake'\nanalytics.enabled = false\n"
    )
    machine.run("codex", "setup", "--mode", "command")
    assert "model_providers.codex-fetchtoken = {" in path.read_text()
    machine.works(**machine.team.remote)


def expire(machine):
    """Give the file an access token that has ended, as it is after a week away."""
    document = machine.auth
    ended = int((datetime.now(UTC) - timedelta(hours=2)).timestamp())
    document["tokens"]["access_token"] = unsigned_jwt({"exp": ended})
    (machine.codex.home / "auth.json").write_text(json.dumps(document))


def variables(printed):
    words = [shlex.split(line) for line in printed.splitlines()]
    return dict(assignment.split("=", 1) for _, assignment in words)


def test_an_endpoint(machine):
    """Codex refreshes at the broker by the lines printed, and by the file alone; after undo it works on."""
    lines = variables(machine.run("codex", "setup", "--mode", "endpoint"))
    credential = machine.auth["tokens"]["refresh_token"]
    exchanges = len(machine.team.issuer.exchanges())
    for extra in (lines, {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": ""}):
        expire(machine)
        machine.works(**extra)
        assert machine.auth["tokens"]["refresh_token"] == credential
    assert len(machine.team.issuer.exchanges()) == exchanges
    machine.run("codex", "undo")
    assert machine.auth["tokens"]["refresh_token"] == ""
    machine.works()
    assert machine.codex.backend.token_requests == []


def test_codexs_own_logout_at_an_endpoint(machine):
    """With the lines only this machine's credential ends; undo finds no login and says so."""
    lines = variables(machine.run("codex", "setup", "--mode", "endpoint", "--name", "box"))
    assert machine.codex.logout(**lines).returncode == 0
    assert not (machine.codex.home / "auth.json").exists()
    listed = json.loads(machine.team.broker("client", "show", "laptop", "--json"))["machines"]
    assert {one["state"] for one in listed if one["name"] == "box"} == {"revoked"}
    assert machine.team.issuer.alive(machine.token)
    machine.run("codex", "undo")
    machine.run("codex", "setup", "--mode", "endpoint", "--name", "box")
    machine.works()
    machine.run("codex", "undo")
