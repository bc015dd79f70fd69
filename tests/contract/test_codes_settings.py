"""Exit codes of ``codex-fetchtoken`` for its command line, its settings and its files' modes."""

from pathlib import Path

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.programs import Machine
from tests.support.tokens import jwt

STRANGER = 12_345
OVERRIDE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"


class Stage(Machine):
    """A machine with a live login and a project in the home directory."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        write_auth(self.auth_file, jwt())
        self.project = self.home / "project"
        (self.project / ".git").mkdir(parents=True)

    def fetch_here(self, *words: str, **more: str) -> Ran:
        """Run the command in the project."""
        return self.fetch(*words, cwd=self.project, **more)

    def project_file(self, text: str):
        return self.write("project/scorpiox-env.txt", text)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


# The command line.


def _usage() -> None:
    for words, says in {
        "--nonsense": "--nonsense",
        "nonsense": "nonsense",
        "--format xml": "--format",
        "--format env --shell tcsh": "--shell",
        "--shell fish": "--shell",
        "--min-valid soon": "--min-valid",
        "--min-valid -1": "--min-valid",
        "--min-valid 864001": "--min-valid",
        "--timeout 0": "--timeout",
        "--source nowhere": "--source",
        "--source ssh": "no host",
        "--account Work": "--account",
        "--account device": "--account",
        f"--account {'a' * 65}": "--account",
        "--profile nobody": "--profile",
        "--profile Nobody": "--profile",
        "--force-refresh --no-refresh": "contradict",
        "--account": "--account",
        "--format json status": "--format",
        "refresh one --all": "--all",
        "config set NONSENSE 1": "NONSENSE",
        "config set CODEX_MIN_VALID soon": "CODEX_MIN_VALID",
        "config set CODEX_REMOTE_API_KEY hunter2": "command line",
        "config set CODEX_HOME /x --tier project": "CODEX_HOME",
        "config get NONSENSE": "NONSENSE",
        "sync": "source is local",
    }.items():

        @case(FETCHTOKEN, 2, f"usage: {words[:40]}", says=says)
        def _(stage: Stage, words: str = words) -> Ran:
            ran = stage.fetch_here(*words.split())
            assert "hunter2" not in ran.err
            return ran


_usage()


def _helpful() -> None:
    for words, says in {
        "--version": "codex-fetchtoken ",
        "--help": "Usage: codex-fetchtoken",
        "config --help": "Usage: codex-fetchtoken config",
        "config show": "CODEX_TOKEN_SOURCE=local",
        "config show --json": '"CODEX_TOKEN_SOURCE"',
        "config get CODEX_MIN_VALID": "600",
        "config set CODEX_MIN_VALID 700": "scorpiox-env.txt",
        "config set CODEX_ACCOUNT work --tier project": "project/scorpiox-env.txt",
        "config init": "scorpiox-env.txt",
        "status": "refresh   by nobody",
        "status --json": '"exit_code": 0',
        "--min-valid 0 --timeout 5 --no-cache --no-refresh -v": "eyJ",
    }.items():
        notes = 1 if words.endswith("-v") else 0

        @case(FETCHTOKEN, 0, words, says=says, notes=notes)
        def _(stage: Stage, words: str = words) -> Ran:
            return stage.fetch_here(*words.split())


_helpful()


@case(FETCHTOKEN, 0, "refresh: not due", hint="nothing to do", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("refresh")


@case(FETCHTOKEN, 0, "refresh: no login", hint="nothing to do", notes=1)
def _(stage: Stage) -> Ran:
    stage.auth_file.unlink()
    return stage.fetch("refresh")


@case(FETCHTOKEN, 0, "refresh: not local", hint="nothing to do", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("--source", "remote", "refresh")


@case(FETCHTOKEN, 3, "refresh: expired, no refresh token", hint="codex-fetchtoken login")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt(1000, age_s=900))
    return stage.fetch("refresh")


@case(FETCHTOKEN, 8, "sync: the file holds a refresh token", says="refresh token", hint="adopt")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt(), refresh="rt_1")
    url = {"CODEX_REMOTE_URL": "https://b.example", "CODEX_REMOTE_API_KEY": "cbk_1"}
    return stage.fetch("--source", "remote", "sync", **url)


@case(FETCHTOKEN, 0, "refresh --all: none is due", hint="nothing to do", notes=2)
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file.parent / "accounts" / "work.json", jwt())
    return stage.fetch("refresh", "--all")


# Settings files.


def _bad_files() -> None:
    for what, line in {
        "a line without =": "CODEX_ACCOUNT",
        "a key too long": "K" * 65 + "=1",
        "a value too long": "CODEX_ACCOUNT=" + "a" * 4097,
        "no URL": "CODEX_REMOTE_URL=nowhere",
        "a relative path": "CODEX_HOME=here",
    }.items():

        @case(FETCHTOKEN, 2, f"a settings file with {what}", says="scorpiox-env.txt")
        def _(stage: Stage, line: str = line) -> Ran:
            stage.write(".claude/scorpiox-env.txt", f"# mine\n{line}\n")
            return stage.fetch()


_bad_files()


@case(FETCHTOKEN, 0, "a project file with harmless keys", says="eyJ")
def _(stage: Stage) -> Ran:
    stage.project_file("CODEX_MIN_VALID=60\nSOMEBODY_ELSES=1\n")
    return stage.fetch_here()


@case(FETCHTOKEN, 8, "a project file, not trusted", says="project/scorpiox-env.txt", hint="config trust")
def _(stage: Stage) -> Ran:
    stage.project_file("CODEX_CREDENTIALS_FILE=/elsewhere\n")
    return stage.fetch_here()


@case(FETCHTOKEN, 8, "a project profile, not trusted", says="ci.txt", hint="config trust")
def _(stage: Stage) -> Ran:
    stage.project_file("ACTIVE_PROFILE=ci\n")
    stage.write("project/scorpiox-env/ci.txt", "CODEX_REMOTE_URL=https://evil.example\n")
    return stage.fetch_here()


@case(FETCHTOKEN, 0, "a project file, trusted", says="eyJ")
def _(stage: Stage) -> Ran:
    file = stage.project_file(f"CODEX_CREDENTIALS_FILE={stage.auth_file}\n")
    assert stage.fetch("config", "trust", str(file)).code == 0
    return stage.fetch_here()


@case(FETCHTOKEN, 8, "a project file, changed after trust", says="changed", hint="config trust")
def _(stage: Stage) -> Ran:
    file = stage.project_file(f"CODEX_CREDENTIALS_FILE={stage.auth_file}\n")
    assert stage.fetch("config", "trust", str(file)).code == 0
    stage.project_file("CODEX_CREDENTIALS_FILE=/elsewhere\n")
    return stage.fetch_here()


@case(FETCHTOKEN, 0, "a project file that others can swap is ignored", says="eyJ", hint="ignored", notes=1)
def _(stage: Stage) -> Ran:
    stage.project_file("CODEX_CREDENTIALS_FILE=/elsewhere\n")
    stage.project.chmod(0o777)
    return stage.fetch_here()


@case(FETCHTOKEN, 4, "config trust: no such file", says="does not exist")
def _(stage: Stage) -> Ran:
    return stage.fetch_here("config", "trust", "scorpiox-env.txt")


@case(FETCHTOKEN, 4, "config untrust: not trusted", says="not trusted")
def _(stage: Stage) -> Ran:
    return stage.fetch_here("config", "untrust", "scorpiox-env.txt")


@case(FETCHTOKEN, 4, "config get: not set", says="CODEX_ACCOUNT", hint="config set")
def _(stage: Stage) -> Ran:
    return stage.fetch("config", "get", "CODEX_ACCOUNT")


@case(FETCHTOKEN, 8, "config trust: others can swap it", says="cannot be trusted", notes=1)
def _(stage: Stage) -> Ran:
    file = stage.project_file("CODEX_HOME=/elsewhere\n")
    stage.project.chmod(0o777)
    return stage.fetch_here("config", "trust", str(file))


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
