"""The real opencode with a token of ours: what it sends, to whom, and what it does at the token's end."""

import json
import os
import subprocess

import pytest

from tests.clients.conftest import BIN
from tests.support.internet import running_internet
from tests.support.opencode_cli import MODEL, REPLY, answer, need_opencode

LIMIT_S = 120
FETCHTOKEN = str(BIN / "codex-fetchtoken")


@pytest.fixture
def internet(tmp_path):
    """Every other host."""
    with running_internet(tmp_path) as found:
        found.answer = answer
        yield found


@pytest.fixture
def opencode(tmp_path, internet):
    """Run a command line with opencode in its environment's ``PATH``."""
    program = need_opencode()
    programs, home, work = (tmp_path / name for name in ("bin", "home", "work"))
    for place in (programs, home, work):
        place.mkdir(mode=0o700)
    (programs / "opencode").symlink_to(program)
    environment = {
        **internet.environment,
        "PATH": f"{programs}:{BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }

    def run(*words, **more):
        return subprocess.run(
            words,
            env=environment | more,
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )

    return run


def bearers(internet):
    """Which host was shown which bearer."""
    shown = [(asked.host, asked.headers.get("authorization")) for asked in internet.asked]
    return {(host, bearer) for host, bearer in shown if bearer is not None}


def test_exec_gives_it_a_token_that_it_shows_to_the_backend_only(team, internet, opencode):
    """A whole turn: our bearer and account at the backend, nothing to any other host, no refresh."""
    ran = opencode(FETCHTOKEN, "exec", "--", "opencode", "run", "-m", MODEL, "hi", **team.remote)
    assert (ran.returncode, ran.stdout.strip()) == (0, REPLY), ran.stderr
    document = json.loads(team.fetchtoken("-f", "json"))
    assert bearers(internet) == {("chatgpt.com", f"Bearer {document['access_token']}")}
    turns = [asked for asked in internet.asked_of("chatgpt.com") if asked.method == "POST"]
    assert {asked.path for asked in turns} == {"/backend-api/codex/responses"}
    assert {asked.headers["chatgpt-account-id"] for asked in turns} == {document["account_id"]}
    assert internet.asked_of("auth.openai.com") == []


def test_the_variable_alone_and_a_base_url_of_its_users_choice(team, internet, opencode):
    """With ``options.baseURL`` the same request goes there: to a gateway, such as one before the backend."""
    provider = {"openai": {"options": {"baseURL": "https://gateway.example/team"}}}
    shell = f'OPENCODE_AUTH_CONTENT="$({FETCHTOKEN} -f opencode)" exec opencode run -m {MODEL} hi'
    config = {"OPENCODE_CONFIG_CONTENT": json.dumps({"provider": provider})}
    ran = opencode("sh", "-c", shell, **config, **team.remote)
    assert (ran.returncode, ran.stdout.strip()) == (0, REPLY), ran.stderr
    assert bearers(internet) == {("gateway.example", f"Bearer {team.fetchtoken().strip()}")}
    assert {asked.path for asked in internet.asked_of("gateway.example")} == {"/team/responses"}


def test_a_token_that_has_ended_ends_the_turn_and_nothing_leaves(team, internet, opencode):
    """It asks the issuer for another with the refresh token that it has, which is none, and gives up."""
    document = json.loads(team.fetchtoken("-f", "opencode"))
    document["openai"]["expires"] = 1000
    ran = opencode("opencode", "run", "-m", MODEL, "hi", OPENCODE_AUTH_CONTENT=json.dumps(document))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Token refresh failed: 404" in ran.stderr
    assert bearers(internet) == set()
    sent = {asked.body for asked in internet.asked_of("auth.openai.com")}
    assert len(sent) == 1
    assert sent.pop().startswith(b"grant_type=refresh_token&refresh_token=&client_id=")
