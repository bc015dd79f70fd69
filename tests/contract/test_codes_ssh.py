"""Exit codes of ``codex-fetchtoken`` with the SSH source: ways in, and who is there; a real ``sshd``."""

import json

import pytest

from tests.contract.ssh_stage import PASSPHRASE, PASSWORD, REFRESH, STALE, Stage, printed
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import write_auth
from tests.support.peers import closed_port
from tests.support.places import open_directory
from tests.support.programs import program
from tests.support.sshd import agent_with, key_pair, ssh_host, ssh_host_with_password
from tests.support.tokens import jwt


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


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
