"""Exit codes of ``import`` in both programs."""

import pytest

from tests.contract.stage import Stage
from tests.contract.table import BROKER, FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.tokens import jwt
from tests.support.tool_files import put, tool_document


@pytest.fixture
def stage(tmp_path, shared_issuer):
    return Stage(tmp_path, shared_issuer)


def source(stage: Stage, form: str = "cliproxy", **claims) -> str:
    """Write a tool's file with a login of ada's; return its path."""
    access = jwt(**{"email": "ada@example.com", **claims})
    return str(put(stage.home / "tool" / f"{form}.json", tool_document(form, access, "rt_1")))


def document(stage: Stage, **fields: object) -> str:
    return str(put(stage.home / "tool" / "file.json", fields))


@case(FETCHTOKEN, 0, "import: a file", says="imported ada", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("import", source(stage))


@case(FETCHTOKEN, 0, "import --json: a directory", says='"account": "ada"', notes=1)
def _(stage: Stage) -> Ran:
    source(stage)
    return stage.fetch("import", str(stage.home / "tool"), "--json")


@case(FETCHTOKEN, 0, "import --neutralise", says="imported ada", hint="an access token only", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("import", source(stage), "--neutralise")


@case(FETCHTOKEN, 2, "import: another account has the name", says="holds another account", hint="--name")
def _(stage: Stage) -> Ran:
    stage.fetch("import", source(stage), "--name", "work")
    other = tool_document("opencode", jwt(account_id="acct-2"), "rt_2", account_id="acct-2")
    return stage.fetch("import", str(put(stage.home / "other.json", other)), "--name", "work")


@case(FETCHTOKEN, 2, "import: an old copy", says="old copy", hint="leave it")
def _(stage: Stage) -> Ran:
    stage.fetch("import", source(stage))
    return stage.fetch("import", source(stage, "codex", age_s=60))


@case(FETCHTOKEN, 2, "import --neutralise: no access-only form", says="codex-lb keeps", hint="codex-lb")
def _(stage: Stage) -> Ran:
    return stage.fetch("import", source(stage, "codex-lb"), "--neutralise")


def _kinds() -> None:
    for what, fields in {
        "an API key": {"OPENAI_API_KEY": "sk-1"},
        "a personal access token": {"personal_access_token": "at-1"},
        "an agent identity": {"agent_identity": "x"},
        "a login of claude": {"type": "claude", "access_token": "x"},
    }.items():

        @case(FETCHTOKEN, 3, f"import: {what}", says=f"holds {what}", hint="login")
        def _(stage: Stage, fields: dict[str, object] = fields) -> Ran:
            return stage.fetch("import", document(stage, **fields))


_kinds()


@case(FETCHTOKEN, 4, "import: no file", says="does not exist", hint="path")
def _(stage: Stage) -> Ran:
    return stage.fetch("import", "nothing.json")


@case(FETCHTOKEN, 4, "import: a directory without logins", says="holds no login file", hint="name the file")
def _(stage: Stage) -> Ran:
    document(stage, name="x")
    return stage.fetch("import", str(stage.home / "tool"))


@case(FETCHTOKEN, 7, "import: a torn file", says="is not JSON", hint="file.json")
def _(stage: Stage) -> Ran:
    path = document(stage, name="x")
    stage.write("tool/file.json", '{"tokens": {"acc')
    return stage.fetch("import", path)


@case(FETCHTOKEN, 7, "import: no tool's file", says="no login file of a tool", hint="opencode")
def _(stage: Stage) -> Ran:
    return stage.fetch("import", document(stage, name="x"))


@case(FETCHTOKEN, 8, "import: others can read it", says="readable by group or others", hint="chmod 600")
def _(stage: Stage) -> Ran:
    path = source(stage)
    (stage.home / "tool" / "cliproxy.json").chmod(0o644)
    return stage.fetch("import", path)


@case(FETCHTOKEN, 8, "import: would lose a refresh token", says="would be lost", hint="leave it")
def _(stage: Stage) -> Ran:
    stage.fetch("import", source(stage, age_s=60))
    bare = tool_document("codex", jwt(email="ada@example.com"))
    return stage.fetch("import", str(put(stage.home / "bare.json", bare)))


# The broker's.


def minted(stage: Stage, form: str) -> str:
    """Have a login minted and write it as a tool keeps it; return the file's path."""
    login = stage.issuer.mint()
    document = tool_document(form, login.access_token, login.refresh_token, account_id=login.account_id)
    return str(put(stage.home / "tool" / f"{form}.json", document))


def broker(stage: Stage, *words: str) -> Ran:
    """Run an administrative command without a daemon, in a home of its own."""
    environ = {"CODEX_BROKER_ISSUER_URL": stage.issuer.url}
    assert stage.broker("init", **environ).code == 0
    return stage.broker(*words, **environ)


@case(BROKER, 0, "account import --sole-owner: a CCS file", says="import")
def _(stage: Stage) -> Ran:
    return broker(stage, "account", "import", minted(stage, "cliproxy"), "--sole-owner")


@case(BROKER, 2, "account import: a CCS file, live", says="live refresh token", hint="account adopt")
def _(stage: Stage) -> Ran:
    return broker(stage, "account", "import", minted(stage, "cliproxy"))


@case(BROKER, 3, "account import: a login of claude", says="a login of claude", hint="Codex login")
def _(stage: Stage) -> Ran:
    return broker(stage, "account", "import", document(stage, type="claude", access_token="x"))


@case(BROKER, 0, "account adopt: an opencode file", says="adopted", hint="restart opencode")
def _(stage: Stage) -> Ran:
    return broker(stage, "account", "adopt", minted(stage, "opencode"))


@case(BROKER, 2, "account adopt: no access-only form", says="codex-lb keeps", hint="codex-lb")
def _(stage: Stage) -> Ran:
    return broker(stage, "account", "adopt", minted(stage, "codex-lb"))


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_import_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
