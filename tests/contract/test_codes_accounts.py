"""Exit codes of ``codex-fetchtoken``: accounts, use, rename, logout, exec."""

import pytest

from tests.contract.stage import Stage
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.peers import closed_port


@pytest.fixture
def stage(tmp_path, shared_issuer):
    """A machine with the accounts ``home`` and ``work``, and a login of Codex's own."""
    stage = Stage(tmp_path, shared_issuer)
    stage.login()
    directory = stage.auth_file.parent / "accounts"
    directory.mkdir()
    for name in ("home", "work"):
        shared_issuer.mint(email=f"{name}@example.com").write(directory / f"{name}.json")
    return stage


@case(FETCHTOKEN, 0, "accounts", says="work@example.com")
def _(stage: Stage) -> Ran:
    return stage.fetch("accounts")


@case(FETCHTOKEN, 0, "accounts --json", says='"in_use": true')
def _(stage: Stage) -> Ran:
    return stage.fetch("accounts", "--json")


@case(FETCHTOKEN, 0, "accounts: a torn file is listed", says="work", notes=1)
def _(stage: Stage) -> Ran:
    (stage.auth_file.parent / "accounts/work.json").write_text("{")
    return stage.fetch("accounts")


@case(FETCHTOKEN, 0, "use work", hint="in use now: work", notes=3)
def _(stage: Stage) -> Ran:
    ran = stage.fetch("use", "work")
    assert str(stage.auth_file.readlink()) == "accounts/work.json"
    return ran


@case(FETCHTOKEN, 2, "use: Codex keeps its login in the keyring", says="in the keyring")
def _(stage: Stage) -> Ran:
    stage.write(".codex/config.toml", 'cli_auth_credentials_store = "keyring"')
    return stage.fetch("use", "work")


@case(FETCHTOKEN, 4, "use: no account of that name", says="no account nobody", hint="use home or work")
def _(stage: Stage) -> Ran:
    return stage.fetch("use", "nobody")


@case(FETCHTOKEN, 7, "use: a torn file", says="is not JSON")
def _(stage: Stage) -> Ran:
    (stage.auth_file.parent / "accounts/work.json").write_text("{")
    return stage.fetch("use", "work")


@case(FETCHTOKEN, 8, "use: the account is open to others", says="readable by", hint="chmod 600")
def _(stage: Stage) -> Ran:
    (stage.auth_file.parent / "accounts/work.json").chmod(0o644)
    return stage.fetch("use", "work")


@case(FETCHTOKEN, 0, "rename work office", hint="is called office", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("rename", "work", "office")


@case(FETCHTOKEN, 2, "rename: the new name is taken", says="already")
def _(stage: Stage) -> Ran:
    return stage.fetch("rename", "work", "home")


@case(FETCHTOKEN, 2, "rename work device", says="reserved")
def _(stage: Stage) -> Ran:
    return stage.fetch("rename", "work", "device")


@case(FETCHTOKEN, 4, "rename: no account of that name", says="no account nobody")
def _(stage: Stage) -> Ran:
    return stage.fetch("rename", "nobody", "somebody")


def end_there(stage: Stage) -> None:
    """Let revocations go where the logins come from."""
    stage.environ["CODEX_REVOKE_TOKEN_URL_OVERRIDE"] = stage.issuer.revoke_url


@case(FETCHTOKEN, 0, "logout work", hint="revoked at", notes=1)
def _(stage: Stage) -> Ran:
    end_there(stage)
    return stage.fetch("logout", "work")


@case(FETCHTOKEN, 0, "logout --all", hint="3 of 3", notes=6)
def _(stage: Stage) -> Ran:
    end_there(stage)
    return stage.fetch("logout", "--all")


@case(FETCHTOKEN, 0, "logout --keep-grant", hint="not revoked", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("logout", "--keep-grant")


@case(FETCHTOKEN, 4, "logout: no account of that name", says="no account nobody")
def _(stage: Stage) -> Ran:
    return stage.fetch("logout", "nobody")


@case(FETCHTOKEN, 5, "logout: issuer down", says="nothing deleted", hint="--keep-grant")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        ran = stage.fetch("logout", CODEX_REVOKE_TOKEN_URL_OVERRIDE=f"http://127.0.0.1:{port}/oauth/revoke")
    assert stage.auth_file.exists()
    return ran


@case(FETCHTOKEN, 8, "logout: would send plain http", says="plain http", hint="https")
def _(stage: Stage) -> Ran:
    return stage.fetch("logout", CODEX_REVOKE_TOKEN_URL_OVERRIDE="http://id.example.com/oauth/revoke")


@case(FETCHTOKEN, 0, "exec: the program's own exit code", says="eyJ")
def _(stage: Stage) -> Ran:
    return stage.fetch("exec", "--", "sh", "-c", 'echo "$OPENAI_CODEX_ACCESS_TOKEN"')


@case(FETCHTOKEN, 2, "exec: no such program", says="no program", hint="PATH")
def _(stage: Stage) -> Ran:
    return stage.fetch("exec", "no-such-program")


@case(FETCHTOKEN, 4, "exec: no login", says="no login")
def _(stage: Stage) -> Ran:
    stage.auth_file.unlink()
    return stage.fetch("exec", "true")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
