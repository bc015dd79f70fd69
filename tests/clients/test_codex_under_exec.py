"""The real Codex CLI below ``exec``: led to the broker with its credential, and nowhere with a login."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret
from fetchtoken.sources.machine import ask_machine
from tests.clients.conftest import BIN
from tests.support.backend import REPLY
from tests.support.codex_cli import LIMIT_S
from tests.support.daemon import ask
from tests.support.peers import soon
from tests.support.tokens import settings_of
from tests.support.wait import until_sync

_numbers = count(1)
EXPIRED = unsigned_jwt({"exp": 1_700_000_000})


class Enrolled:
    """A machine that got its credential for its API key, as ``exec`` finds it."""

    def __init__(self, team, codex, tmp_path):
        self.team = team
        self.codex = codex
        self.file = codex.home / "auth.json"
        settings = settings_of(tmp_path, **team.remote)
        name = f"box-{next(_numbers)}"
        self.given = ask_machine(settings, account="work", machine=name, deadline_s=soon())
        self.token = self.given.token.access_token.reveal()
        codex.use_auth_file()
        codex.backend.accept(self.token)

    def write(self, *, access_token=EXPIRED, refresh_token=None, provenance=True):
        """Write the auth file of a login at the broker, or one with the refresh token given."""
        token = self.given.token
        assert token.id_token is not None
        tokens = {
            "id_token": token.id_token.reveal(),
            "access_token": access_token,
            "refresh_token": refresh_token or self.given.credential.reveal(),
            "account_id": token.account_id,
        }
        if provenance:
            tokens["oauth_provenance"] = {"issuer": self.given.issuer, "client_id": "app_x"}
        self.file.touch(mode=0o600)
        document = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens}
        self.file.write_text(json.dumps(document | {"last_refresh": "2026-01-01T00:00:00Z"}))

    def below_exec(self, *words, **changes):
        """Run Codex below ``exec``, in an environment that leads it nowhere by itself."""
        command = [str(BIN / "codex-fetchtoken"), "exec", "--", self.codex.binary]
        return self._do([*command, *words], {**self.team.remote, **changes})

    def alone(self, *words):
        """Run Codex as it is."""
        return self._do([self.codex.binary, *words], {})

    def _do(self, words, more):
        nowhere = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "", "CODEX_REVOKE_TOKEN_URL_OVERRIDE": ""}
        return subprocess.run(
            words,
            env=self.codex.environment({**more, **nowhere}),
            cwd=self.codex.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )

    def state(self):
        """Return what the broker says of the credential: an empty text while it counts."""
        fields = {"grant_type": "refresh_token", "refresh_token": self.given.credential.reveal()}
        body, headers = json.dumps(fields).encode(), {"Content-Type": "application/json"}
        url = self.given.issuer
        return ask(url, "/oauth/token", method="POST", body=body, headers=headers).code


@pytest.fixture
def enrolled(team, codex, tmp_path):
    return Enrolled(team, codex, tmp_path)


TURN = ("exec", "--skip-git-repo-check", "hi")


def went_well(run):
    return (run.returncode, run.stdout.strip()) == (0, REPLY)


def asked_of_the_broker(team):
    """Return how often anybody was at the broker's OAuth routes, up to one more request of ours."""
    log, mark = team.root / "broker.log", f"mark-{next(_numbers)}"
    ask(team.remote["CODEX_REMOTE_URL"], "/healthz", headers={"X-Request-Id": mark})
    until_sync(lambda: mark in log.read_text())
    return log.read_text().partition(mark)[0].count("/oauth/")


@pytest.mark.parametrize("provenance", [True, False])
def test_a_turn_with_an_expired_token(team, enrolled, provenance):
    """To the end: the token comes from the broker, the credential stays, nothing goes upstream."""
    enrolled.write(provenance=provenance)
    exchanges, asked = len(team.issuer.exchanges()), asked_of_the_broker(team)
    run = enrolled.below_exec(*TURN)
    assert went_well(run), run.stderr
    held = json.loads(enrolled.file.read_text())["tokens"]
    assert held["access_token"] == enrolled.token
    assert held["refresh_token"] == enrolled.given.credential.reveal()
    assert enrolled.codex.backend.token_requests == []
    assert asked_of_the_broker(team) > asked
    assert len(team.issuer.exchanges()) == exchanges


FILE_ALONE = {"CODEX_TOKEN_SOURCE": "local", "CODEX_REMOTE_URL": "", "CODEX_REMOTE_API_KEY_FILE": ""}
"""What a machine is told of its broker that has nothing but the file."""


@pytest.mark.trap("T24")
@pytest.mark.parametrize("known", [{}, FILE_ALONE], ids=["remote", "by the file alone"])
def test_a_logout_ends_that_machine_and_nothing_else(team, codex, tmp_path, enrolled, known):
    """The broker's word for it is revoked; another machine, the account and OpenAI notice nothing."""
    other = Enrolled(team, codex, tmp_path)
    enrolled.write(access_token=enrolled.token)
    run = enrolled.below_exec("logout", **known)
    assert run.returncode == 0, run.stderr
    assert not enrolled.file.exists()
    assert (enrolled.state(), other.state()) == ("refresh_token_invalidated", "")
    assert codex.backend.token_requests == []
    assert team.issuer.alive(enrolled.token)
    other.write()
    assert went_well(other.below_exec(*TURN, **known))


def test_without_exec_the_logout_tells_openai(enrolled):
    """The leak that exec prevents: Codex posts the credential to OpenAI, whatever its file names."""
    enrolled.write(access_token=enrolled.token)
    enrolled.alone("logout")
    assert {seen.path for seen in enrolled.codex.backend.token_requests} == {"auth.openai.com:443"}
    assert enrolled.state() == ""


@pytest.mark.trap("T19")
def test_six_at_once_on_one_home(team, enrolled):
    """All six turns succeed on a token that lives, and nobody asks for another."""
    enrolled.write(access_token=enrolled.token)
    exchanges, asked = len(team.issuer.exchanges()), asked_of_the_broker(team)
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: enrolled.below_exec(*TURN), range(6)))
    assert [went_well(run) for run in runs] == [True] * 6, runs[0].stderr
    assert len(team.issuer.exchanges()) == exchanges
    assert asked_of_the_broker(team) == asked
    assert {seen.bearer for seen in enrolled.codex.backend.responses} == {
        Secret(enrolled.token).fingerprint()
    }


@pytest.mark.parametrize("words", [TURN, ("logout",)], ids=["a refresh", "a logout"])
def test_a_real_login_is_led_nowhere(team, enrolled, words):
    """Codex goes where it always went; no character of the login comes to the broker."""
    login = team.issuer.mint(email="own@example.com")
    enrolled.write(refresh_token=login.refresh_token, provenance=False)
    asked = asked_of_the_broker(team)
    run = enrolled.below_exec(*words)
    assert f"note: {enrolled.file} holds a login at OpenAI: Codex is not led to the broker" in run.stderr
    assert {seen.path for seen in enrolled.codex.backend.token_requests} == {"auth.openai.com:443"}
    assert asked_of_the_broker(team) == asked
    assert login.refresh_token not in (team.root / "broker.log").read_text()
