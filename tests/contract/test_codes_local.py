"""Exit codes of ``codex-fetchtoken`` with the local source."""

import json
import signal
from pathlib import Path

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.issuer import Issuer, Login, issuer_in_thread
from tests.support.logins import write_auth
from tests.support.peers import closed_port
from tests.support.programs import Machine, ended
from tests.support.tokens import jwt

EXPIRED = {"life_s": 1000, "age_s": 900}
SHORT = {"life_s": 2000, "age_s": 900}
REFRESH_URL = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"


@pytest.fixture(scope="module")
def issuer():
    with issuer_in_thread() as running:
        yield running


class Stage(Machine):
    """A machine whose logins come from the sandbox."""

    def __init__(self, root: Path, issuer: Issuer) -> None:
        super().__init__(root)
        self.issuer = issuer
        self.environ[REFRESH_URL] = issuer.token_url
        self.auth_file.parent.mkdir()

    def login(self, *, fault: str = "", **wishes: int) -> Login:
        """Put a login where Codex keeps it; the next exchange of it meets the fault."""
        login = self.issuer.mint(**wishes)
        login.write(self.auth_file)
        if fault:
            self.issuer.fault(fault, login_id=login.login_id)
        return login

    def document(self, **fields: object) -> None:
        """Put a file of another shape there."""
        self.auth_file.write_text(json.dumps(fields))
        self.auth_file.chmod(0o600)


@pytest.fixture
def stage(tmp_path, issuer):
    return Stage(tmp_path, issuer)


# Alive.


@case(FETCHTOKEN, 0, "a live token")
def _(stage: Stage) -> Ran:
    login = stage.login()
    ran = stage.fetch()
    assert ran.out == login.access_token + "\n"
    return ran


def _formats() -> None:
    for words, says in {
        "token": "eyJ",
        "json": '"token_type":"Bearer"',
        "header": "Authorization: Bearer eyJ",
        "auth-json": '"auth_mode": "chatgptAuthTokens"',
        "opencode": '"type":"oauth"',
        "env": "export OPENAI_CODEX_ACCESS_TOKEN='eyJ",
        "env --shell fish": "set -gx OPENAI_CODEX_ACCESS_TOKEN 'eyJ",
        "env --shell powershell": "$env:OPENAI_CODEX_ACCESS_TOKEN = 'eyJ",
    }.items():

        @case(FETCHTOKEN, 0, f"--format {words}", says=says)
        def _(stage: Stage, words: str = words) -> Ran:
            stage.login()
            return stage.fetch("--format", *words.split())


_formats()


@case(FETCHTOKEN, 0, "expired, renewed")
def _(stage: Stage) -> Ran:
    login = stage.login(**EXPIRED)
    ran = stage.fetch()
    assert ran.out != login.access_token + "\n"
    assert stage.issuer.alive(ran.out.strip())
    return ran


@case(FETCHTOKEN, 0, "forced")
def _(stage: Stage) -> Ran:
    login = stage.login()
    ran = stage.fetch("--force-refresh")
    assert ran.out != login.access_token + "\n"
    return ran


@case(FETCHTOKEN, 0, "short-lived, with --min-valid 0")
def _(stage: Stage) -> Ran:
    stage.login(**SHORT)
    return stage.fetch("--min-valid", "0")


@case(FETCHTOKEN, 0, "an account by name")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file.parent / "accounts" / "work.json", jwt())
    return stage.fetch("--account", "work")


@case(FETCHTOKEN, 0, "in doubt, but alive", notes=1)
def _(stage: Stage) -> Ran:
    stage.login(fault="commit-then-500", **SHORT)
    assert stage.fetch("--min-valid", "5000").code == 5
    return stage.fetch("--min-valid", "0")


@case(FETCHTOKEN, 0, "hard-linked, but alive", notes=1)
def _(stage: Stage) -> Ran:
    stage.login()
    (stage.auth_file.parent / "other").hardlink_to(stage.auth_file)
    return stage.fetch("--force-refresh")


# Another login is needed.


def _kinds() -> None:
    for kind, document in {
        "an API key": {"OPENAI_API_KEY": "sk-1"},
        "a personal access token": {"personal_access_token": "at-1"},
        "an agent identity": {"auth_mode": "agentIdentity", "agent_identity": {"x": 1}},
    }.items():

        @case(FETCHTOKEN, 3, kind, says=f"holds {kind}", hint="codex login")
        def _(stage: Stage, document: dict[str, object] = document) -> Ran:
            stage.document(**document)
            return stage.fetch()


_kinds()


@case(FETCHTOKEN, 3, "expired, no refresh token", says="expired", hint="codex login")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt(1000, age_s=900))
    return stage.fetch()


def _refusals() -> None:
    for fault in ("refuse-reused", "refuse-grant", "refuse-bare"):

        @case(FETCHTOKEN, 3, f"expired, the issuer says {fault}", says="refused", hint="codex login")
        def _(stage: Stage, fault: str = fault) -> Ran:
            stage.login(fault=fault, **EXPIRED)
            return stage.fetch("--timeout", "3")


_refusals()


# There is none.


@case(FETCHTOKEN, 4, "no file", says="auth.json does not exist", hint="codex login")
def _(stage: Stage) -> Ran:
    return stage.fetch()


@case(FETCHTOKEN, 4, "an empty file", says="is empty", hint="codex login")
def _(stage: Stage) -> Ran:
    stage.write(".codex/auth.json", "")
    return stage.fetch()


@case(FETCHTOKEN, 4, "a file without a login", says="auth.json", hint="codex login")
def _(stage: Stage) -> Ran:
    stage.document(OPENAI_API_KEY=None)
    return stage.fetch()


@case(FETCHTOKEN, 4, "no account of that name", says="accounts/work.json", hint="codex login")
def _(stage: Stage) -> Ran:
    stage.login()
    return stage.fetch("--account", "work")


@case(FETCHTOKEN, 4, "the named file holds another account", says="not work", hint="--account")
def _(stage: Stage) -> Ran:
    stage.login()
    return stage.fetch("--account", "work", CODEX_CREDENTIALS_FILE=str(stage.auth_file))


# Not now.


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


# Nonsense.


def _nonsense() -> None:
    for what, text in {
        "not JSON": "{upstream",
        "no JSON object": "[]",
        "a token that is no text": '{"tokens": {"access_token": 1}}',
        "not UTF-8": b"\xff\xfe",
    }.items():

        @case(FETCHTOKEN, 7, f"the file is {what}", says="auth.json")
        def _(stage: Stage, text: str | bytes = text) -> Ran:
            stage.write(".codex/auth.json", text)
            return stage.fetch()


_nonsense()


@case(FETCHTOKEN, 7, "the file is a directory", says="auth.json")
def _(stage: Stage) -> Ran:
    stage.auth_file.mkdir()
    return stage.fetch()


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
