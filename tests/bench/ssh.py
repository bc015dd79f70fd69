"""The SSH source beside the real ``ssh`` that runs the same command on the same host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.command import home_with, program
from tests.bench.processes import Case
from tests.support.logins import write_auth
from tests.support.need import need_program
from tests.support.sshd import key_pair, ssh_host
from tests.support.tokens import jwt

__all__ = ["ssh_cases"]


@contextmanager
def ssh_cases(directory: Path) -> Iterator[list[Case]]:
    """Yield the cases: the client, and the source with nothing cached; the host has the real command."""
    with ssh_host(directory / "host") as host:
        key = key_pair(directory / "key")
        host.admit(key)
        known = directory / "known_hosts"
        known.write_text(host.known_line())
        write_auth(host.home / ".codex/auth.json", jwt())
        (host.bin / "codex-fetchtoken").symlink_to(program())
        home = home_with(
            directory,
            "ssh",
            CODEX_TOKEN_SOURCE="ssh",
            CODEX_SSH_HOST="127.0.0.1",
            CODEX_SSH_PORT=str(host.port),
            CODEX_SSH_KEY=str(key),
            CODEX_SSH_KNOWN_HOSTS=str(known),
        )
        client = [need_program("ssh", "openssh-client"), "-F", "none", "-o", f"UserKnownHostsFile={known}"]
        client += ["-i", str(key), "-o", "IdentitiesOnly=yes", "-p", str(host.port), "127.0.0.1"]
        client += ["codex-fetchtoken", "--format", "json", "--min-valid", "600"]
        yield [
            Case("ssh client", client, home),
            Case(
                "ssh source, not cached",
                [str(program()), "--no-cache"],
                home,
                goal=1.3,
                floor="ssh client",
            ),
        ]
