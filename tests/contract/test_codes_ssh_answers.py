"""Exit codes of ``codex-fetchtoken`` with the SSH source: what a host says, or does not say in time."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.ssh_stage import LOCAL_BIN, REFRESH, STALE, Stage, printed
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import auth_document, write_auth
from tests.support.peers import Peer, closed_port
from tests.support.programs import ended
from tests.support.sshd import ssh_host
from tests.support.tokens import jwt
from tests.support.wait import until_sync


@pytest.fixture
def stage(tmp_path):
    with ssh_host(tmp_path / "host") as host:
        yield Stage(tmp_path, host)


# Not now.


@case(FETCHTOKEN, 5, "ssh: host down", says="127.0.0.1", hint="CODEX_SSH_HOST")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        return stage.fetch(CODEX_SSH_PORT=str(port))


@case(FETCHTOKEN, 5, "ssh: no such host", says="nowhere.invalid", hint="CODEX_SSH_HOST")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_SSH_HOST="nowhere.invalid")


@case(FETCHTOKEN, 5, "ssh: no greeting within --timeout", says="in time", hint="--timeout")
def _(stage: Stage) -> Ran:
    stage.host.before = lambda _: stage.host.peer.over.wait()
    return _until_its_end(stage, stage.start(FETCHTOKEN, "--timeout", "3"))


@case(FETCHTOKEN, 5, "ssh: the command takes longer than --timeout", says="in time", hint="--timeout")
def _(stage: Stage) -> Ran:
    flag = stage.write("../flag", "")
    stage.host.install(f"while [ -e {flag} ]; do sleep 0.1; done")
    ran = stage.fetch("--timeout", "3")
    flag.unlink()
    return ran


@case(FETCHTOKEN, 0, "ssh: the copy, without contact", says="eyJ")
def _(stage: Stage) -> Ran:
    first = stage.fetch()
    second = stage.fetch()
    assert (first, stage.host.connections) == (second, 1)
    return second


@case(FETCHTOKEN, 0, "ssh: the copy, host down", says="eyJ", hint="the copy", notes=1)
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        stage.write(".ssh/config", f"Host box\n  HostName 127.0.0.1\n  Port {stage.host.port}\n")
        del stage.environ["CODEX_SSH_PORT"]
        stage.environ["CODEX_SSH_HOST"] = "box"
        assert stage.fetch().code == 0
        stage.write(".ssh/config", f"Host box\n  HostName 127.0.0.1\n  Port {port}\n")
        return stage.fetch(**STALE)


@case(FETCHTOKEN, 0, "ssh: forced, the host is asked again", says="eyJ")
def _(stage: Stage) -> Ran:
    assert stage.fetch().code == 0
    ran = stage.fetch("--force-refresh")
    assert stage.host.connections == 2
    return ran


@case(FETCHTOKEN, 130, "ssh: Ctrl-C")
def _(stage: Stage) -> Ran:
    stage.host.before = lambda _: stage.host.peer.over.wait()
    process = stage.start(FETCHTOKEN)
    assert stage.host.peer.arrived.wait(30)
    process.send_signal(signal.SIGINT)
    return _until_its_end(stage, process)


@case(FETCHTOKEN, 130, "ssh: Ctrl-C before the host answers")
def _(stage: Stage) -> Ran:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as stack:
        port = deaf.getsockname()[1]
        for _ in range(3):  # who comes now fills its queue; the next one waits at its door
            guest = stack.enter_context(socket.socket())
            guest.settimeout(0)
            guest.connect_ex(("127.0.0.1", port))
        waiting = _waiting_for(port)
        process = stage.start(FETCHTOKEN, CODEX_SSH_PORT=str(port))
        until_sync(lambda: _waiting_for(port) > waiting)
        process.send_signal(signal.SIGINT)
        return ended(process)


def _waiting_for(port: int) -> int:
    """Return how many connections to a port are not answered yet (proc(5), SYN_SENT)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def _until_its_end(stage: Stage, process: "subprocess.Popen[str]") -> Ran:
    """Wait for a command, then let go of the connection that was held."""
    try:
        return ended(process)
    finally:
        stage.host.peer.over.set()


@case(FETCHTOKEN, 5, "ssh: the connection breaks off", says="broke off", hint="try again")
def _(stage: Stage) -> Ran:
    stage.host.install("kill -9 $PPID; sleep 1")
    return stage.fetch()


# What the command there says.


def _passed_through() -> None:
    for code in range(3, 9):

        @case(
            FETCHTOKEN, code, f"ssh: exit {code} there", says="what happened", hint="there: one thing to do"
        )
        def _(stage: Stage, code: int = code) -> Ran:
            stage.says(
                "", err="note: not this\ncodex-fetchtoken: what happened\nhint: one thing to do\n", code=code
            )
            return stage.fetch()

    for code in (1, 2, 9, 126, 130, 255):

        @case(FETCHTOKEN, 7, f"ssh: exit {code} there", says=f"status {code}", hint="CODEX_SSH_COMMAND")
        def _(stage: Stage, code: int = code) -> Ran:
            stage.says(printed(), err="some words", code=code)
            return stage.fetch()


_passed_through()


@case(FETCHTOKEN, 7, "ssh: the command is killed there", says="was killed")
def _(stage: Stage) -> Ran:
    stage.host.install("kill -9 $$")
    return stage.fetch()


@case(FETCHTOKEN, 5, "ssh: an option for a hint there", says="short", hint="hint: --min-valid 0")
def _(stage: Stage) -> Ran:
    stage.says("", err="codex-fetchtoken: short\nhint: --min-valid 0\n", code=5)
    return stage.fetch()


@case(FETCHTOKEN, 3, "ssh: escape codes and secrets in the words there", says="\ufffd[31mred")
def _(stage: Stage) -> Ran:
    words = f"codex-fetchtoken: \x1b[31mred \u202e {jwt()} {REFRESH} \x07" + "x" * 5000
    stage.says("", err=words + "\n", code=3)
    ran = stage.fetch()
    assert "eyJ" not in ran.err
    assert REFRESH not in ran.err
    assert all(char.isprintable() or char == "\n" for char in ran.err)
    assert len(ran.err) < 1000
    return ran


def _nonsense() -> None:
    for what, text in {
        "nothing": "",
        "a greeting before the token": "Welcome!\n" + printed(),
        "two JSON values": printed() + printed(),
        "a list": "[1]",
        "JSON without a token": "{}",
        "another account's token": printed(account="other"),
        "a token with a line break": json.dumps({"access_token": "a\nb"}),
        "an escape code for an account": printed(account="\x1b[31m"),
        "a token without an end": json.dumps({"access_token": "opaque"}),
        "JSON too deep": "[" * 100_000,
    }.items():

        @case(FETCHTOKEN, 7, f"ssh: {what}", says="127.0.0.1", hint="CODEX_SSH_COMMAND")
        def _(stage: Stage, text: str = text) -> Ran:
            stage.says(text)
            return stage.fetch("--account", "work")


_nonsense()


def _floods() -> None:
    for what, script in {
        "output without end": "exec yes",
        "zeros without end": "exec cat /dev/zero",
        "errors without end": "exec yes >&2",
        "random bytes": "head -c 200000 /dev/urandom",
    }.items():

        @case(FETCHTOKEN, 7, f"ssh: {what}", says="127.0.0.1", hint="CODEX_SSH_COMMAND")
        def _(stage: Stage, script: str = script) -> Ran:
            stage.host.install(script)
            return stage.fetch()


_floods()


@case(FETCHTOKEN, 7, "ssh: no SSH", says="does not speak SSH", hint="port")
def _(stage: Stage) -> Ran:
    with Peer(lambda _, connection: connection.sendall(b"HTTP/1.1 400 X\r\n" * 2000)) as peer:
        return stage.fetch(CODEX_SSH_PORT=str(peer.port))


@case(FETCHTOKEN, 0, "ssh: a refresh token in the answer", says="eyJ")
def _(stage: Stage) -> Ran:
    stage.says(json.dumps(auth_document(jwt(), refresh=REFRESH)))
    ran = stage.fetch("-f", "auth-json")
    assert REFRESH not in ran.out + "".join(file.read_text() for file in stage.copies)
    return ran


# Where there is no command.


@case(FETCHTOKEN, 0, "ssh: the command in ~/.local/bin", says="eyJ")
def _(stage: Stage) -> Ran:
    (stage.host.bin / "codex-fetchtoken").unlink()
    stage.host.install(f'[ "$*" = "--format json --min-valid 60" ] && echo \'{printed()}\'', name=LOCAL_BIN)
    return stage.fetch("--min-valid", "60")


@case(FETCHTOKEN, 0, "ssh: no command there, its auth.json", says="eyJ")
def _(stage: Stage) -> Ran:
    (stage.host.bin / "codex-fetchtoken").unlink()
    write_auth(stage.host.home / ".codex" / "auth.json", jwt(), refresh=REFRESH)
    ran = stage.fetch("-f", "auth-json")
    assert REFRESH not in ran.out + "".join(file.read_text() for file in stage.copies)
    assert len(stage.copies) == 1
    return ran


@case(FETCHTOKEN, 0, "ssh: no command there, an account's file", says="eyJ")
def _(stage: Stage) -> Ran:
    (stage.host.bin / "codex-fetchtoken").unlink()
    write_auth(stage.host.home / ".codex" / "accounts" / "work.json", jwt())
    return stage.fetch("--account", "work")


def _files() -> None:
    for code, what, text, says in [
        (4, "neither a command nor a login there", None, "neither"),
        (3, "a stale login there", lambda: json.dumps(auth_document(jwt(1000, age_s=900))), "expired"),
        (
            5,
            "a short-lived login there",
            lambda: json.dumps(auth_document(jwt(1000, age_s=500))),
            "--min-valid",
        ),
        (3, "an API key there", lambda: json.dumps({"OPENAI_API_KEY": "sk-0123"}), "an API key"),
        (4, "an empty login there", lambda: "", "empty"),
        (7, "a torn login there", lambda: '{"tokens":', "not JSON"),
    ]:

        @case(FETCHTOKEN, code, f"ssh: {what}", says=says)
        def _(stage: Stage, text: Callable[[], str] | None = text) -> Ran:
            (stage.host.bin / "codex-fetchtoken").unlink()
            if text is not None:
                stage.write("../host/home/.codex/auth.json", text())
            return stage.fetch()


_files()


# Lists and subcommands.


def _lists() -> None:
    for code in (3, 4, 5, 7):

        @case(FETCHTOKEN, 0, f"ssh,local: {code}, then a token", says="eyJ")
        def _(stage: Stage, code: int = code) -> Ran:
            stage.says("", code=code)
            write_auth(stage.auth_file, jwt())
            return stage.fetch("--source", "ssh,local")

    for code in (6, 8):

        @case(FETCHTOKEN, code, f"ssh,local: {code} stops the list")
        def _(stage: Stage, code: int = code) -> Ran:
            stage.says("", code=code)
            write_auth(stage.auth_file, jwt())
            return stage.fetch("--source", "ssh,local")


_lists()


@case(FETCHTOKEN, 0, "sync: an access-only file, from an SSH host", hint="good until", notes=1)
def _(stage: Stage) -> Ran:
    ran = stage.fetch("sync")
    assert '"refresh_token": ""' in stage.auth_file.read_text()
    return ran


@case(FETCHTOKEN, 0, "status: of an SSH host", says="ssh: 127.0.0.1:")
def _(stage: Stage) -> Ran:
    return stage.fetch("status")


@case(FETCHTOKEN, 0, "refresh: not local, but an SSH host", hint="the SSH host refreshes", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("refresh")


# A project file.


def _project_files() -> None:
    values = {
        "HOST": "evil.example",
        "PORT": "2222",
        "USER": "mallory",
        "PASS": "x",
        "KEY": "/tmp/key",
        "KNOWN_HOSTS": "/tmp/known",
        "COMMAND": "cat /etc/passwd",
    }
    for name, value in values.items():

        @case(
            FETCHTOKEN,
            8,
            f"a project file with CODEX_SSH_{name}",
            says=f"CODEX_SSH_{name}",
            hint="config trust",
        )
        def _(stage: Stage, name: str = name, value: str = value) -> Ran:
            stage.write("project/scorpiox-env.txt", f"CODEX_SSH_{name}={value}\n")
            ran = stage.fetch(cwd=stage.home / "project")
            assert stage.host.connections == 0
            return ran


_project_files()


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
