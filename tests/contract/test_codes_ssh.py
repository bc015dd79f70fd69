"""Exit codes of ``codex-fetchtoken`` with the SSH source, against a real ``sshd``."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import auth_document, write_auth
from tests.support.peers import Peer, closed_port
from tests.support.places import open_directory
from tests.support.programs import Machine, ended, program
from tests.support.sshd import SshHost, agent_with, key_pair, ssh_host, ssh_host_with_password
from tests.support.tokens import jwt
from tests.support.wait import until_sync

STALE = {"CODEX_CACHE_MAX_AGE": "0"}
PASSWORD = "Tr0ub4dor and 3"
PASSPHRASE = "open sesame"
LOCAL_BIN = "home/.local/bin/codex-fetchtoken"
REFRESH = "rt_never_to_be_seen_on_this_machine"


def printed(**more: object) -> str:
    """Return what the command prints there with ``--format json``."""
    return json.dumps({"access_token": jwt(), "token_type": "Bearer", "account_id": "acct-1", **more})


def login(life_s: float, *, age_s: float) -> str:
    """Return an auth file of Codex's, whose token was issued a while ago."""
    return json.dumps(auth_document(jwt(life_s, age_s=age_s)))


class Stage(Machine):
    """A machine with a key, and a host that lets it in and has the command."""

    def __init__(self, root: Path, host: SshHost) -> None:
        super().__init__(root)
        self.root = root
        self.host = host
        self.key = key_pair(self.home / ".ssh" / "id_ed25519")
        host.admit(self.key)
        self.says(printed())
        self.write(".ssh/known_hosts", host.known_line())
        self.environ |= {
            "CODEX_TOKEN_SOURCE": "ssh",
            "CODEX_SSH_HOST": "127.0.0.1",
            "CODEX_SSH_PORT": str(host.port),
        }

    def says(self, text: str, *, err: str = "", code: int = 0) -> None:
        """Let the command there print a text, and words on standard error, and end."""
        self.write("../out", text)
        self.write("../err", err)
        self.host.install(f"cat {self.root}/out; cat {self.root}/err >&2; exit {code}")

    def lock_key(self) -> Path:
        """Put an encrypted key, which the host lets in, where the plain one was."""
        self.key.unlink()
        locked = key_pair(self.home / "locked", passphrase=PASSPHRASE)
        self.host.admit(locked)
        self.environ["CODEX_SSH_KEY"] = str(locked)
        return locked

    @contextmanager
    def jump(self) -> Iterator[SshHost]:
        """Put another host on the way, of which ``~/.ssh/config`` knows."""
        with ssh_host(self.root / "jump") as jump:
            jump.admit(self.key)
            lines = ["Host target", "  HostName 127.0.0.1", f"  Port {self.host.port}", "  ProxyJump jump"]
            lines += ["Host jump", "  HostName 127.0.0.1", f"  Port {jump.port}"]
            self.write(".ssh/config", "\n".join(lines) + "\n")
            self.environ["CODEX_SSH_HOST"] = "target"
            del self.environ["CODEX_SSH_PORT"]
            yield jump

    @property
    def copies(self) -> list[Path]:
        return list((self.home / ".cache" / "codex-fetchtoken").glob("*.json"))


@pytest.fixture
def stage(tmp_path):
    with ssh_host(tmp_path / "host") as host:
        yield Stage(tmp_path, host)


# Ways in.


@case(FETCHTOKEN, 0, "ssh: a token", says="eyJ")
def _(stage: Stage) -> Ran:
    return stage.fetch()


@case(FETCHTOKEN, 0, "ssh: our own command there", says="eyJ")
def _(stage: Stage) -> Ran:
    write_auth(stage.host.home / ".codex" / "accounts" / "work.json", jwt(), refresh=REFRESH)
    (stage.host.bin / "codex-fetchtoken").unlink()
    (stage.host.bin / "codex-fetchtoken").symlink_to(program(FETCHTOKEN))
    ran = stage.fetch("--account", "work", "-f", "json")
    assert json.loads(ran.out)["account"] == "work"
    assert json.loads(ran.out)["source"] == "ssh"
    return ran


@case(FETCHTOKEN, 0, "ssh: a key of the agent's", says="eyJ")
def _(stage: Stage) -> Ran:
    with agent_with(stage.key) as agent:
        stage.key.unlink()
        return stage.fetch(SSH_AUTH_SOCK=agent)


@case(FETCHTOKEN, 0, "ssh: the key that is set, among many of the agent's", says="eyJ")
def _(stage: Stage) -> Ran:
    others = [key_pair(stage.root / f"key{number}") for number in range(7)]
    with agent_with(*others) as agent:
        return stage.fetch(SSH_AUTH_SOCK=agent, CODEX_SSH_KEY=str(stage.key))


@case(FETCHTOKEN, 0, "ssh: a public key that chooses one of the agent's", says="eyJ")
def _(stage: Stage) -> Ran:
    others = [key_pair(stage.root / f"key{number}") for number in range(7)]
    with agent_with(*others, stage.key) as agent:
        stage.key.unlink()
        return stage.fetch(SSH_AUTH_SOCK=agent, CODEX_SSH_KEY=f"{stage.key}.pub")


@case(FETCHTOKEN, 0, "ssh: an encrypted key that the agent holds", says="eyJ")
def _(stage: Stage) -> Ran:
    locked = stage.lock_key()
    with agent_with(locked, passphrase=PASSPHRASE) as agent:
        return stage.fetch(SSH_AUTH_SOCK=agent)


@case(FETCHTOKEN, 2, "ssh: an encrypted key that nobody holds", says="is encrypted", hint="ssh-add")
def _(stage: Stage) -> Ran:
    stage.lock_key()
    return stage.fetch()


def _with_password(stage: Stage, password: str, **more: str) -> Ran:
    stage.key.unlink()
    with open_directory() as root, ssh_host_with_password(root / "host", "codex-test", PASSWORD) as host:
        host.install(f"echo '{printed()}'")
        stage.write(".ssh/known_hosts", host.known_line())
        more = {"CODEX_SSH_PORT": str(host.port), "CODEX_SSH_USER": host.user, **more}
        ran = stage.fetch(CODEX_SSH_PASS=password, **more)
    assert password not in ran.err
    return ran


@case(FETCHTOKEN, 0, "ssh: a password", says="eyJ")
def _(stage: Stage) -> Ran:
    return _with_password(stage, PASSWORD)


@case(FETCHTOKEN, 6, "ssh: a wrong password", says="lets us in", hint="ssh -v")
def _(stage: Stage) -> Ran:
    return _with_password(stage, "hunter2")


@case(FETCHTOKEN, 0, "ssh: a password in a file that others can read", hint="chmod 600", notes=1)
def _(stage: Stage) -> Ran:
    stage.write(".config/codex-fetchtoken/scorpiox-env.txt", f"CODEX_SSH_PASS={PASSWORD}\n", mode=0o644)
    ran = stage.fetch()
    assert PASSWORD not in ran.err
    return ran


@case(FETCHTOKEN, 0, "ssh: over a jump host", says="eyJ")
def _(stage: Stage) -> Ran:
    with stage.jump() as jump:
        stage.write(".ssh/known_hosts", stage.host.known_line() + jump.known_line())
        ran = stage.fetch()
        assert jump.connections == 1
    return ran


@case(FETCHTOKEN, 8, "ssh: a jump host is unknown", says="jump host jump: the host is unknown")
def _(stage: Stage) -> Ran:
    with stage.jump():
        return stage.fetch()


@case(FETCHTOKEN, 8, "ssh: the host behind a jump host is unknown", says="target: the host is unknown")
def _(stage: Stage) -> Ran:
    with stage.jump() as jump:
        stage.write(".ssh/known_hosts", jump.known_line())
        return stage.fetch()


@case(FETCHTOKEN, 6, "ssh: a jump host does not let us in", says="jump host jump lets us in")
def _(stage: Stage) -> Ran:
    with stage.jump() as jump:
        stage.write(".ssh/known_hosts", stage.host.known_line() + jump.known_line())
        (jump.root / "authorized_keys").write_text("")
        return stage.fetch()


@case(FETCHTOKEN, 5, "ssh: the jump host cannot reach the host", says="from its jump host")
def _(stage: Stage) -> Ran:
    with stage.jump() as jump, closed_port() as port:
        stage.write(".ssh/known_hosts", jump.known_line())
        return stage.fetch(CODEX_SSH_PORT=str(port))


@case(FETCHTOKEN, 0, "ssh: through a ProxyCommand", says="eyJ")
def _(stage: Stage) -> Ran:
    with stage.jump() as jump:
        stage.write(".ssh/known_hosts", stage.host.known_line() + jump.known_line())
        ssh = f"ssh -F none -i {stage.key} -o UserKnownHostsFile={stage.home}/.ssh/known_hosts"
        way = f"test -z $CODEX_SSH_PASS && {ssh} -p {jump.port} -W %h:%p {jump.user}@127.0.0.1"
        lines = ["Host target", "  HostName 127.0.0.1", f"  ProxyCommand sh -c '{way}'"]
        stage.write(".ssh/config", "\n".join(lines) + "\n")
        ran = stage.fetch(CODEX_SSH_PORT=str(stage.host.port), CODEX_SSH_PASS=PASSWORD)
        assert jump.connections == 1
    return ran


# Who is there.


@case(FETCHTOKEN, 8, "ssh: unknown host", says="SHA256:", hint="ssh-keygen -lf")
def _(stage: Stage) -> Ran:
    stage.write(".ssh/known_hosts", "# nobody\n")
    ran = stage.fetch()
    assert stage.host.fingerprint in ran.err
    assert (stage.home / ".ssh/known_hosts").read_text() == "# nobody\n"
    return ran


@case(FETCHTOKEN, 8, "ssh: unknown host, no known_hosts file", says="SHA256:", hint="ssh-keygen -lf")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_SSH_KNOWN_HOSTS=str(stage.home / "nothing"))


@case(FETCHTOKEN, 8, "ssh: the host key has changed", says="has changed", hint="ssh-keygen -R")
def _(stage: Stage) -> Ran:
    before = stage.host.fingerprint
    after = stage.host.change_host_key()
    ran = stage.fetch(CODEX_SSH_PASS=PASSWORD)
    assert before in ran.err
    assert after in ran.err
    return ran


@case(FETCHTOKEN, 8, "ssh: the host has a key of another type now", says="has changed", hint="ssh-keygen -R")
def _(stage: Stage) -> Ran:
    after = stage.host.change_host_key(kind="ecdsa")
    ran = stage.fetch()
    assert f"ECDSA {after}" in ran.err
    return ran


@case(FETCHTOKEN, 0, "ssh: a host that an authority vouches for", says="eyJ")
def _(stage: Stage) -> Ran:
    stage.write(".ssh/known_hosts", "@cert-authority * " + stage.host.certify())
    return stage.fetch()


@case(FETCHTOKEN, 0, "ssh: a certified host whose own key is known", says="eyJ")
def _(stage: Stage) -> Ran:
    stage.host.certify()
    return stage.fetch()


@case(FETCHTOKEN, 8, "ssh: another authority vouches for the host", says="cannot be verified")
def _(stage: Stage) -> Ran:
    stage.host.certify()
    stage.write(
        ".ssh/known_hosts", "@cert-authority * " + key_pair(stage.root / "ca").with_suffix(".pub").read_text()
    )
    return stage.fetch()


@case(FETCHTOKEN, 8, "ssh: the host key is revoked", says="revoked")
def _(stage: Stage) -> Ran:
    stage.write(".ssh/known_hosts", stage.host.known_line() + "@revoked " + stage.host.known_line())
    return stage.fetch()


# Who we are.


@case(FETCHTOKEN, 6, "ssh: our key is not let in, and the copy is deleted", says="lets us in", hint="ssh -v")
def _(stage: Stage) -> Ran:
    assert stage.fetch().code == 0
    assert len(stage.copies) == 1
    (stage.host.root / "authorized_keys").write_text("")
    ran = stage.fetch(**STALE)
    assert stage.copies == []
    return ran


@case(FETCHTOKEN, 6, "ssh: we have no key", says="lets us in", hint="set CODEX_SSH_KEY")
def _(stage: Stage) -> Ran:
    stage.key.unlink()
    stage.key.with_suffix(".pub").unlink()
    return stage.fetch()


@case(FETCHTOKEN, 8, "ssh: the key file is readable by others", says="readable", hint="chmod 600")
def _(stage: Stage) -> Ran:
    stage.key.chmod(0o644)
    return stage.fetch(CODEX_SSH_KEY=str(stage.key))


@case(FETCHTOKEN, 6, "ssh: our usual key is readable by others", says="lets us in", hint="readable by group")
def _(stage: Stage) -> Ran:
    stage.key.chmod(0o644)
    return stage.fetch()


@case(FETCHTOKEN, 2, "ssh: the key file is missing", says="/no/such", hint="private key")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_SSH_KEY="/no/such")


@case(FETCHTOKEN, 2, "ssh: the key file is none", says="is no SSH key", hint="private key")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_SSH_KEY=str(stage.write("nonsense", "hello")))


@case(FETCHTOKEN, 2, "ssh: a public key whose private one nobody holds", says="public key", hint="ssh-add")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_SSH_KEY=f"{stage.key}.pub")


@case(FETCHTOKEN, 2, "ssh: no host is set", says="no host", hint="CODEX_SSH_HOST")
def _(stage: Stage) -> Ran:
    del stage.environ["CODEX_SSH_HOST"]
    return stage.fetch()


@case(FETCHTOKEN, 2, "ssh: ~/.ssh/config makes no sense", says="~/.ssh/config", hint="ssh -G")
def _(stage: Stage) -> Ran:
    stage.write(".ssh/config", "Port none\n")
    return stage.fetch()


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
