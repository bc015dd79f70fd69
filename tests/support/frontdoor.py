"""The real ``ssh`` against a broker's SSH front door, from a directory that holds its keys."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from broker.domain.sshkey import parse_public_keys
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.need import need_program

__all__ = ["FrontDoor", "Key", "running_front_door"]

LIMIT_S = 60


@dataclass(frozen=True)
class Key:
    """A key pair in files, as ``ssh-keygen`` leaves them."""

    path: Path

    @property
    def public(self) -> Path:
        return self.path.with_name(self.path.name + ".pub")

    @property
    def fingerprint(self) -> str:
        (found,) = parse_public_keys(self.public.read_text(), "key")
        return found


@dataclass
class FrontDoor:
    """A daemon with an open front door, and somebody before it.

    Attributes:
        daemon: behind the door.
        root: where keys and known hosts are.
        port: where it listens.
    """

    daemon: Daemon
    root: Path
    port: int
    keys: dict[str, Key] = field(default_factory=dict)

    def key(self, name: str) -> Key:
        """Return the key of that name, made when first asked for."""
        if name not in self.keys:
            pair = Ed25519PrivateKey.generate()
            key = Key(self.root / name)
            key.path.touch(mode=0o600)
            key.path.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
            line = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            key.public.write_bytes(line + b" someone@laptop\n")
            self.keys[name] = key
        return self.keys[name]

    def client(self, name: str, *accounts: str, **more: object) -> Key:
        """Make a client with an SSH key of its own name; ``more`` as for ``Daemon.add_client``."""
        key = self.key(name)
        given = {"text": key.public.read_text(), "path": str(key.public)}
        self.daemon.add_client(name, *accounts, ssh_keys=given, **more)
        return key

    @property
    def known_hosts(self) -> Path:
        """A file with the line that the broker hands out."""
        file = self.root / "known_hosts"
        if not file.exists():
            file.write_text(self.daemon.call("ssh_door")["known_hosts"] + "\n")
        return file

    def options(self, who: str, *more: str) -> list[str]:
        """Return the options of ``ssh`` and its like: our files only, and no question asked."""
        given = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
        }
        options = [word for name, value in given.items() for word in ("-o", f"{name}={value}")]
        return ["-F", "/dev/null", "-i", str(self.key(who).path), *options, *more]

    def command(self, who: str, *words: str, more: tuple[str, ...] = ()) -> list[str]:
        """Return the command line of ``ssh``."""
        ssh = need_program("ssh", "openssh-client")
        return [ssh, *self.options(who, *more), "-p", str(self.port), "somebody@127.0.0.1", *words]

    def ssh(self, who: str, *words: str, more: tuple[str, ...] = (), stdin: str = "") -> Ran:
        """Run ``ssh`` with somebody's key."""
        return self.run(self.command(who, *words, more=more), stdin=stdin)

    def run(self, command: list[str], *, stdin: str = "") -> Ran:
        """Run any program here."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.root), "LANG": "C.UTF-8"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def requests(self) -> list[dict[str, object]]:
        """Return the request lines of the daemon's log that came by SSH."""
        lines = [json.loads(line) for line in self.daemon.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("transport") == "ssh"]


@contextmanager
def running_front_door(root: Path, issuer_url: str, *words: str) -> Iterator[FrontDoor]:
    """Run a daemon with a front door on a free port of 127.0.0.1 until the block ends."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    listen = {"CODEX_BROKER_SSH_LISTEN": f"127.0.0.1:{port}"}
    with running_daemon(root, issuer_url, *words, **listen) as daemon:
        place = root / "visitor"
        place.mkdir(mode=0o700)
        yield FrontDoor(daemon, place, port)
