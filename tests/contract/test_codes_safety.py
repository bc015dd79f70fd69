"""Exit codes of ``codex-fetchtoken`` for modes and owners, foreign destinations, full disks and bugs."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.need import need_root
from tests.support.programs import Machine, program
from tests.support.tokens import jwt

STRANGER = 12_345
OVERRIDE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"


@pytest.fixture
def stage(tmp_path):
    machine = Machine(tmp_path)
    write_auth(machine.auth_file, jwt())
    return machine


# Modes and owners.


@case(FETCHTOKEN, 8, "the login is readable by group", says="readable", hint="chmod 600")
def _(stage: Machine) -> Ran:
    stage.auth_file.chmod(0o640)
    return stage.fetch()


@case(FETCHTOKEN, 8, "the login is another user's", says=str(STRANGER), hint="chown")
def _(stage: Machine) -> Ran:
    need_root("files of other owners")
    os.chown(stage.auth_file, STRANGER, STRANGER)
    return stage.fetch()


# Where a refresh token may go.


def _destinations() -> None:
    for what, token, url, broker in [
        ("plain http", "rt_1", "http://issuer.example/oauth/token", ""),
        ("a broker's credential to a stranger", "cbr_1", "https://issuer.example/oauth/token", ""),
        ("a real login to a broker", "rt_1", "https://b.example/oauth/token", "https://b.example/codex"),
    ]:

        @case(FETCHTOKEN, 8, f"expired, would send {what}", says="not refreshed")
        def _(stage: Machine, token: str = token, url: str = url, broker: str = broker) -> Ran:
            write_auth(stage.auth_file, jwt(1000, age_s=900), refresh=token)
            more = {"CODEX_REMOTE_URL": broker} if broker else {}
            return stage.fetch(**{OVERRIDE: url}, **more)


_destinations()


@case(FETCHTOKEN, 8, "expired, the file is hard-linked", says="hard-linked")
def _(stage: Machine) -> Ran:
    write_auth(stage.auth_file, jwt(1000, age_s=900), refresh="rt_1")
    (stage.home / "other").hardlink_to(stage.auth_file)
    return stage.fetch(**{OVERRIDE: "http://127.0.0.1:1/"})


@case(FETCHTOKEN, 8, "expired, the file is read-only", says="read-only")
def _(stage: Machine) -> Ran:
    write_auth(stage.auth_file, jwt(1000, age_s=900), refresh="rt_1").chmod(0o400)
    return stage.fetch(**{OVERRIDE: "http://127.0.0.1:1/"})


# Output and bugs.


@case(FETCHTOKEN, 5, "standard output is full", says="No space left")
def _(stage: Machine) -> Ran:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [program(FETCHTOKEN)],
            env=stage.environ,
            cwd=stage.home,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return Ran(done.returncode, "", done.stderr)


@case(FETCHTOKEN, 1, "a bug", says="unexpected RuntimeError", hint="report this")
def _(stage: Machine) -> Ran:
    return stage.fetch(PYTHONPATH=str(broken(stage)))


def broken(stage: Machine):
    """Return a directory whose ``sitecustomize`` makes reading a login raise, with the text in its words."""
    code = (
        "import fetchtoken.formats.codex as module\n"
        "def parse_auth_file(text, name):\n"
        "    raise RuntimeError(text)\n"
        "module.parse_auth_file = parse_auth_file\n"
    )
    return stage.write("broken/sitecustomize.py", code).parent


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
