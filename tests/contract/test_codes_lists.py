"""Exit codes of ``codex-fetchtoken`` with a list of sources.

3, 4, 5 and 7 fall through, 2, 6 and 8 stop; the code is the first source's.
"""

from collections.abc import Callable

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.contract.test_codes_remote import Stage, problem
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.tokens import answer, http, jwt

STATES: dict[int, Callable[[], str]] = {
    3: lambda: jwt(1000, age_s=900),
    4: lambda: "",
    5: lambda: jwt(1000, age_s=400),
    7: lambda: "{",
}
"""What the local source finds, by the exit code that it leads to; made when it is needed, not before."""


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def put(stage: Stage, state: str) -> None:
    """Put a login, nonsense or nothing where Codex keeps its login."""
    if state == "{":
        stage.write(".codex/auth.json", state)
    elif state:
        write_auth(stage.auth_file, state)


def _falls_through() -> None:
    for code, state in STATES.items():

        @case(FETCHTOKEN, 0, f"local,remote: {code}, then a token", says="eyJ")
        def _(stage: Stage, state: Callable[[], str] = state) -> Ran:
            put(stage, state())
            return stage.asks(http(200, answer(jwt())), "--source", "local,remote")

        @case(FETCHTOKEN, code, f"local,remote: {code}, then 6", says="remote: ")
        def _(stage: Stage, state: Callable[[], str] = state) -> Ran:
            put(stage, state())
            return stage.asks(problem(401, "invalid_token"), "--source", "local,remote")


_falls_through()


def _stops() -> None:
    for code, what, url in [
        (2, "no URL", "https://user:hunter2@b.example"),
        (8, "plain http", "http://broker.example"),
    ]:

        @case(FETCHTOKEN, code, f"remote,local: {code} {what} stops the list")
        def _(stage: Stage, url: str = url) -> Ran:
            write_auth(stage.auth_file, jwt())
            ran = stage.fetch("--source", "remote,local", CODEX_REMOTE_URL=url)
            assert "hunter2" not in ran.err
            return ran


_stops()


@case(FETCHTOKEN, 6, "remote,local: 6 stops the list")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt())
    return stage.asks(problem(403, "not_granted"), "--source", "remote,local")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
