"""Exit codes of ``doctor``: that of the most pressing finding."""

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.peers import Broker, closed_port
from tests.support.programs import Machine
from tests.support.tokens import http, jwt
from tests.support.tool_files import put, tool_document

NOBODY = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "http://127.0.0.1:9/oauth/token"}
"""So that the time is asked of nobody."""


@pytest.fixture
def stage(tmp_path):
    return Machine(tmp_path)


def examined(stage: Machine, *words: str, refresh: str = "rt_1", **more: str) -> Ran:
    """Run it on a machine with a login of Codex; what it prints is of no matter to an error's code."""
    if not stage.auth_file.exists():
        write_auth(stage.auth_file, jwt(), refresh=refresh)
    ran = stage.fetch("doctor", *words, **{**NOBODY, **more})
    return Ran(ran.code, ran.out if ran.code == 0 else "", ran.err)


@case(FETCHTOKEN, 0, "doctor", says="Codex: ~/.codex/auth.json")
def _(stage: Machine) -> Ran:
    return examined(stage)


@case(FETCHTOKEN, 0, "doctor --json", says='"exit_code": 0')
def _(stage: Machine) -> Ran:
    return examined(stage, "--json")


@case(FETCHTOKEN, 3, "doctor: two holders of one login", says="hold one refresh token", hint="--neutralise")
def _(stage: Machine) -> Ran:
    put(stage.home / ".cli-proxy-api/codex-a.json", tool_document("cliproxy", jwt(), "rt_1"))
    return examined(stage)


@case(FETCHTOKEN, 8, "doctor: two holders and an open file", says="readable by group", hint="chmod 600")
def _(stage: Machine) -> Ran:
    put(stage.home / ".cli-proxy-api/codex-a.json", tool_document("cliproxy", jwt(), "rt_1"))
    write_auth(stage.auth_file, jwt(), refresh="rt_1").chmod(0o644)
    return examined(stage)


@case(FETCHTOKEN, 4, "doctor: no login", says="no login was found", hint="codex-fetchtoken login")
def _(stage: Machine) -> Ran:
    return stage_without(stage)


def stage_without(stage: Machine) -> Ran:
    ran = stage.fetch("doctor", **NOBODY)
    return Ran(ran.code, "", ran.err)


@case(FETCHTOKEN, 7, "doctor: a torn file", says="is not JSON", hint="move ")
def _(stage: Machine) -> Ran:
    stage.write(".codex/auth.json", '{"tokens":')
    return examined(stage)


@case(FETCHTOKEN, 2, "doctor: a variable beats the login", says="CODEX_API_KEY", hint="unset CODEX_API_KEY")
def _(stage: Machine) -> Ran:
    return examined(stage, CODEX_API_KEY="sk-x")


@case(
    FETCHTOKEN, 6, "doctor: the broker refuses the key", says="refuses the key", hint="CODEX_REMOTE_API_KEY"
)
def _(stage: Machine) -> Ran:
    with Broker(http(401, {})) as server:
        return examined(stage, **_remote(server.port))


@case(FETCHTOKEN, 5, "doctor: the broker is down", says="cannot connect", hint="try again later")
def _(stage: Machine) -> Ran:
    with closed_port() as port:
        return examined(stage, **_remote(port))


def _remote(port: int) -> dict[str, str]:
    return {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": f"http://127.0.0.1:{port}",
        "CODEX_REMOTE_API_KEY": "cbk_x",
    }


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code_and_the_words(row, stage):
    """Exit code, message and hint are as the table says."""
    check(row, row.act(stage))
