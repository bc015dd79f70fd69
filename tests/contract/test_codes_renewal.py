"""Exit codes of ``codex-fetchtoken`` where a local login must be renewed and that does not succeed."""

import signal

import pytest

from tests.contract.stage import EXPIRED, REFRESH_URL, SHORT, Stage
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.peers import closed_port
from tests.support.programs import ended
from tests.support.tokens import jwt


@pytest.fixture
def stage(tmp_path, shared_issuer):
    return Stage(tmp_path, shared_issuer)


def _failures() -> None:
    for fault in ("503", "429", "429-retry-after", "403-page", "redirect-302", "500", "html", "torn"):

        @case(FETCHTOKEN, 5, f"expired, the issuer answers {fault}", says="auth.json")
        def _(stage: Stage, fault: str = fault) -> Ran:
            stage.login(fault=fault, **EXPIRED)
            return stage.fetch()


_failures()


@case(FETCHTOKEN, 5, "expired, issuer down", says="cannot be reached", hint="try again")
def _(stage: Stage) -> Ran:
    stage.login(**EXPIRED)
    with closed_port() as port:
        return stage.fetch(**{REFRESH_URL: f"http://127.0.0.1:{port}/oauth/token"})


@case(FETCHTOKEN, 5, "expired and in doubt", says="in doubt", hint="codex-fetchtoken refresh --force")
def _(stage: Stage) -> Ran:
    stage.login(fault="commit-then-reset", **EXPIRED)
    stage.fetch()
    return stage.fetch()


@case(FETCHTOKEN, 5, "expired, with --no-refresh", says="expired", hint="without --no-refresh")
def _(stage: Stage) -> Ran:
    stage.login(**EXPIRED)
    return stage.fetch("--no-refresh")


@case(FETCHTOKEN, 5, "alive but short, issuer down", says="--min-valid", hint="--min-valid 0")
def _(stage: Stage) -> Ran:
    stage.login(**SHORT)
    with closed_port() as port:
        return stage.fetch("--min-valid", "5000", **{REFRESH_URL: f"http://127.0.0.1:{port}/"})


@case(FETCHTOKEN, 5, "alive but short, no refresh token", says="--min-valid", hint="--min-valid 0")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt(2000, age_s=900))
    return stage.fetch("--min-valid", "5000")


@case(FETCHTOKEN, 5, "issued less than ten minutes ago", says="issuer gives only", hint="--min-valid 0")
def _(stage: Stage) -> Ran:
    stage.login(life_s=2000)
    return stage.fetch("--min-valid", "5000")


@case(FETCHTOKEN, 5, "the refresh takes longer than --timeout", says="--timeout", hint="again")
def _(stage: Stage) -> Ran:
    stage.login(fault="hold", **EXPIRED)
    ran = stage.fetch("--timeout", "1.5")
    stage.issuer.until_held()
    stage.issuer.release()
    return ran


@case(FETCHTOKEN, 0, "refresh: due, renewed", hint="refreshed: ", notes=1)
def _(stage: Stage) -> Ran:
    login = stage.login(life_s=2000, age_s=1500)
    ran = stage.fetch("refresh")
    assert stage.fetch("--min-valid", "0").out != login.access_token + "\n"
    return ran


@case(FETCHTOKEN, 5, "refresh: due, issuer down", says="cannot be reached")
def _(stage: Stage) -> Ran:
    stage.login(life_s=2000, age_s=1500)
    with closed_port() as port:
        return stage.fetch("refresh", **{REFRESH_URL: f"http://127.0.0.1:{port}/"})


@case(FETCHTOKEN, 130, "Ctrl-C in mid-refresh")
def _(stage: Stage) -> Ran:
    login = stage.login(fault="hold", **EXPIRED)
    process = stage.start(FETCHTOKEN)
    stage.issuer.until_held()
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    stage.issuer.release()
    assert stage.fetch().out.strip() not in ("", login.access_token)
    return ran


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
