"""Exit codes of ``codex-fetchtoken`` for what it finds in Codex's file."""

import pytest

from tests.contract.stage import EXPIRED, SHORT, Stage
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.tokens import jwt


@pytest.fixture
def stage(tmp_path, shared_issuer):
    return Stage(tmp_path, shared_issuer)


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

        @case(FETCHTOKEN, 3, kind, says=f"holds {kind}", hint="codex-fetchtoken login")
        def _(stage: Stage, document: dict[str, object] = document) -> Ran:
            stage.document(**document)
            return stage.fetch()


_kinds()


@case(FETCHTOKEN, 3, "expired, no refresh token", says="expired", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt(1000, age_s=900))
    return stage.fetch()


def _refusals() -> None:
    for fault in ("refuse-reused", "refuse-grant", "refuse-bare"):

        @case(
            FETCHTOKEN, 3, f"expired, the issuer says {fault}", says="refused", hint="codex-fetchtoken login"
        )
        def _(stage: Stage, fault: str = fault) -> Ran:
            stage.login(fault=fault, **EXPIRED)
            return stage.fetch("--timeout", "3")


_refusals()


# There is none.


@case(FETCHTOKEN, 4, "no file", says="auth.json does not exist", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    return stage.fetch()


@case(FETCHTOKEN, 4, "an empty file", says="is empty", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    stage.write(".codex/auth.json", "")
    return stage.fetch()


@case(FETCHTOKEN, 4, "a file without a login", says="auth.json", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    stage.document(OPENAI_API_KEY=None)
    return stage.fetch()


@case(FETCHTOKEN, 4, "no account of that name", says="accounts/work.json", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    stage.login()
    return stage.fetch("--account", "work")


@case(FETCHTOKEN, 4, "the named file holds another account", says="not work", hint="--account")
def _(stage: Stage) -> Ran:
    stage.login()
    return stage.fetch("--account", "work", CODEX_CREDENTIALS_FILE=str(stage.auth_file))


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


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
