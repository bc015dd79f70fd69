"""A machine with a key, and a host with a real ``sshd`` that lets it in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.logins import auth_document
from tests.support.programs import Machine
from tests.support.sshd import SshHost, key_pair, ssh_host
from tests.support.tokens import jwt

__all__ = ["LOCAL_BIN", "PASSPHRASE", "PASSWORD", "REFRESH", "STALE", "Stage", "login", "printed"]

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
