"""Machines with a real OpenSSH ``sshd`` on loopback, and what a client needs to reach them.

``sshd`` runs once for each connection (``-i``, as from inetd) behind a listener of ours: so the
port is one that nobody else can take, and connections can be counted and held. Whoever runs the
tests is the user there; home and ``PATH`` are directories of the test's own.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.need import missing, need_program, need_root
from tests.support.peers import Peer
from tests.support.wait import until_sync

__all__ = ["SshHost", "agent_with", "key_pair", "need_sshd", "ssh_host", "ssh_host_with_password"]

_CONFIG = """\
HostKey {host_key}
AuthorizedKeysFile {root}/authorized_keys
StrictModes no
UsePAM no
PubkeyAuthentication yes
PasswordAuthentication {password}
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
PidFile none
LogLevel DEBUG1
SetEnv HOME={root}/home PATH={root}/bin:/usr/bin:/bin
"""


def need_sshd() -> str:
    """Return the path of ``sshd``; as root make the directory that it drops its privileges into."""
    path = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        missing("sshd", "Debian package openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return path


def key_pair(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key with ``ssh-keygen``; its public half lies beside it, as ``.pub``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keygen = need_program("ssh-keygen", "openssh-client")
    words = [keygen, "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


class SshHost:
    """One machine.

    Attributes:
        root: what is its own.
        home: the home directory there; ``bin`` beside it is first in its ``PATH``.
        port: where it listens.
        user: who logs in there.
        before: called with each connection before ``sshd`` gets it.
    """

    def __init__(self, root: Path, *, under: tuple[str, ...] = (), password: bool = False) -> None:
        self._words = [*under, need_sshd(), "-i", "-e", "-f", str(root / "sshd_config")]
        self.root = root
        self.home = root / "home"
        self.bin = root / "bin"
        self.user = getpass.getuser()
        for directory in (self.home, self.bin):
            directory.mkdir(parents=True)
        self.host_key = key_pair(root / "host_key")
        self._config(password=password)
        (root / "authorized_keys").touch(mode=0o600)
        self.before: Callable[[socket.socket], None] = lambda _: None
        self.peer = Peer(self._serve)
        self.port = self.peer.port

    def _config(self, *, password: bool = False) -> None:
        text = _CONFIG.format(root=self.root, host_key=self.host_key, password="yes" if password else "no")
        (self.root / "sshd_config").write_text(text)

    def _serve(self, peer: Peer, connection: socket.socket) -> None:
        self.before(connection)
        with (self.root / "log").open("ab") as log:
            daemon = subprocess.Popen(self._words, stdin=connection, stdout=connection, stderr=log)
        connection.close()
        while daemon.poll() is None:
            if peer.over.wait(0.02):
                daemon.terminate()
                daemon.wait()

    @property
    def connections(self) -> int:
        """How many there were so far."""
        return self.peer.accepted

    @property
    def log(self) -> str:
        """What sshd says."""
        return (self.root / "log").read_text(errors="replace")

    def admit(self, key: Path) -> None:
        """Let in whoever has this key."""
        with (self.root / "authorized_keys").open("a") as file:
            file.write(key.with_name(key.name + ".pub").read_text())

    def install(self, script: str, *, name: str = "bin/codex-fetchtoken") -> Path:
        """Put a shell script there as the command."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def known_line(self, *, name: str = "127.0.0.1") -> str:
        """Return its line for a ``known_hosts`` file."""
        kind, data, *_ = self.host_key.with_suffix(".pub").read_text().split()
        return f"[{name}]:{self.port} {kind} {data}\n"

    def change_host_key(self, *, kind: str = "ed25519") -> str:
        """Give it another key; return the fingerprint of the new one as ``ssh-keygen -l`` prints it."""
        self.host_key = key_pair(self.root / f"other_{kind}", kind=kind)
        self._config()
        return self.fingerprint

    def certify(self) -> str:
        """Have an authority vouch for its key; return the authority's own."""
        authority = key_pair(self.root / "authority")
        words = ["ssh-keygen", "-q", "-s", str(authority), "-h", "-I", "host", "-n", "127.0.0.1"]
        subprocess.run([*words, f"{self.host_key}.pub"], check=True, capture_output=True)
        with (self.root / "sshd_config").open("a") as file:
            file.write(f"HostCertificate {self.host_key}-cert.pub\n")
        return authority.with_suffix(".pub").read_text()

    @property
    def fingerprint(self) -> str:
        """Its key as ``ssh-keygen -l`` prints it: ``SHA256:…``."""
        done = subprocess.run(
            ["ssh-keygen", "-lf", str(self.host_key)], check=True, capture_output=True, text=True
        )
        return done.stdout.split()[1]


@contextmanager
def ssh_host(root: Path) -> Iterator[SshHost]:
    """Run a machine for the length of a block."""
    host = SshHost(root)
    with host.peer:
        yield host


@contextmanager
def ssh_host_with_password(root: Path, user: str, password: str) -> Iterator[SshHost]:
    """Run a machine that knows a user with a password: in its own view of ``/etc/passwd``, as root."""
    need_root("a password that sshd checks")
    unshare = need_program("unshare", "util-linux")
    need_program("mount", "mount")
    probe = subprocess.run([unshare, "--mount", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        missing("the right to make namespaces", f"CAP_SYS_ADMIN; {probe.stderr.strip()}")
    openssl = need_program("openssl", "openssl")
    done = subprocess.run(
        [openssl, "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    root.mkdir(parents=True)
    lines = {
        "passwd": f"{user}:x:64321:64321::/:/bin/sh\n",
        "shadow": f"{user}:{done.stdout.strip()}:19000:0:99999:7:::\n",
    }
    binds = []
    for name, line in lines.items():
        (root / name).write_text(Path(f"/etc/{name}").read_text() + line)
        binds.append(f"mount --bind {root}/{name} /etc/{name}")
    script = " && ".join([*binds, 'exec "$@"'])
    host = SshHost(root, under=(unshare, "--mount", "sh", "-c", script, "sh"), password=True)
    host.user = user
    with host.peer:
        yield host


@contextmanager
def agent_with(*keys: Path, passphrase: str = "") -> Iterator[str]:
    """Run a real ``ssh-agent`` that holds these keys; yield its socket's path.

    Args:
        *keys: private keys.
        passphrase: opens those that are encrypted.
    """
    program = need_program("ssh-agent", "openssh-client")
    with tempfile.TemporaryDirectory(prefix="agent-") as directory:  # a socket's path is short
        path = f"{directory}/s"
        answer = Path(directory, "askpass")
        answer.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        answer.chmod(0o700)
        environ = {**os.environ, "SSH_AUTH_SOCK": path, "SSH_ASKPASS": str(answer)}
        environ["SSH_ASKPASS_REQUIRE"] = "force"
        agent = subprocess.Popen([program, "-D", "-a", path], stdout=subprocess.DEVNULL)
        try:
            until_sync(lambda: _answers(path))
            if keys:
                words = ["ssh-add", "-q", *map(str, keys)]
                subprocess.run(words, env=environ, check=True, capture_output=True)
            yield path
        finally:
            agent.terminate()
            agent.wait()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as stream, contextlib.suppress(OSError):
        stream.connect(path)
        return True
    return False
