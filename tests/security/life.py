"""A login's whole life with the real programs, in which everything that can go wrong does.

Every output is kept, every secret that was ever held is known, and on the way files and processes
are looked through while an exchange is under way and after every crash.
"""

import asyncio
import json
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from broker.domain.records import Account
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.store import Store
from tests.support.canary import Scanner, files_below, processes_at, processes_of
from tests.support.command import Ran
from tests.support.daemon import Daemon
from tests.support.issuer import Issuer, Login
from tests.support.peers import Peer, hang
from tests.support.programs import BROKER, FETCHTOKEN, Machine, ended
from tests.support.wait import until_sync

__all__ = ["PASSWORDS", "Life", "learn"]

PASSWORDS = {"proxy password": "Pr0xy/p4ss+w0rd=%C3", "SSH password": "s3cret of an SSH host"}
"""Given in the environment, as their owner must."""

BUGS = """
import os
if os.environ.get("BUG") == "daemon":
    from broker.api.directory import DirectoryHandlers
    from broker.admin.accounts import AccountOperations
    async def whoami(self, call, client):
        held = next(iter(self._roster.accounts())).access_token.reveal()
        raise RuntimeError("a bug at " + held + str(call.request.headers))
    async def account_show(self, actor, name):
        held = self._desk.account(name)
        raise RuntimeError("a bug at " + held.refresh_token.reveal())
    DirectoryHandlers.whoami = whoami
    AccountOperations.account_show = account_show
if os.environ.get("BUG") == "command":
    import fetchtoken.formats.codex as module
    def parse_auth_file(text, name):
        held = text
        raise RuntimeError(text)
    module.parse_auth_file = parse_auth_file
"""
"""Put into ``sitecustomize``: unexpected exceptions that carry tokens in their words and their locals."""


def learn(scanner: Scanner, home: Path) -> None:
    """Have the scanner look for every token in a broker's store, and for its master keys."""
    ring = load_keyring(home / "master.key")
    for key_id in ring.ids:
        scanner.add_bytes("master key", ring.master(key_id))

    async def read() -> list[Account]:
        store = await Store.open(f"sqlite:///{home}/broker.db", Seal(ring))
        try:
            return list((await store.snapshot()).accounts)
        finally:
            await store.close()

    for account in asyncio.run(read()):
        for name, secret in (
            ("refresh token", account.refresh_token),
            ("access token", account.access_token),
            ("id token", account.id_token),
        ):
            if secret:
                scanner.add(name, secret.reveal())


class Life:
    """The machine, the daemon, and all that was said.

    Attributes:
        said: every output, by the words that brought it.
        looks: the content of all files and processes on the way, by the moment.
        scanner: knows every secret so far.
    """

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self.root = root
        self.issuer = issuer
        self.scanner = Scanner()
        self.said: list[tuple[str, Ran]] = []
        self.looks: dict[str, list[tuple[str, bytes]]] = {}
        self.machine = Machine(root)
        self.home = self.machine.home
        self.daemon = Daemon(self.machine, issuer.url)
        plugins = self.machine.write("plugins/sitecustomize.py", BUGS).parent
        proxy = f"http://user:{quote(PASSWORDS['proxy password'], safe='')}@127.0.0.1:9"
        self.machine.environ |= {
            "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": str(plugins),
            "HTTPS_PROXY": proxy,
            "CODEX_SSH_PASS": PASSWORDS["SSH password"],
        }
        for name, secret in PASSWORDS.items():
            self.scanner.add(name, secret)
        self.scanner.add("proxy password", quote(PASSWORDS["proxy password"], safe=""))

    # Secrets.

    def knows(self, login: Login) -> Login:
        """Look for a login's tokens from now on."""
        self.scanner.add("refresh token", login.refresh_token)
        self.scanner.add("access token", login.access_token)
        self.scanner.add("id token", login.id_token)
        return login

    def knows_the_store(self) -> None:
        """Look for every token that the broker holds now, and for its master keys."""
        learn(self.scanner, self.daemon.home)

    def knows_a_file(self, path: Path) -> None:
        """Look for every token of an auth file."""
        document = json.loads(path.read_text())
        self.knows(Login("", document))

    # Acts.

    def does(self, name: str, *words: str, stdin: str = "", **more: str) -> Ran:
        """Run a program to its end and keep what it said."""
        ran = self.machine.run(name, *words, stdin=stdin, **more)
        self.said.append((" ".join((name, *words)), ran))
        return ran

    def asks(self, path: str, key: str = "", **how: object) -> None:
        """Ask over HTTP and keep the answer's problem; a token may leave that way."""
        answer = self.daemon.get(path, key, **how)
        if answer.status >= 400:
            self.said.append((f"HTTP {answer.status}", Ran(answer.status, answer.body.decode(), "")))

    def look(self, moment: str) -> None:
        """Keep all files and processes as they are now: some of their secrets will be learned later."""
        self.looks[moment] = [*files_below(self.root), *processes_at(self.home)]

    @contextmanager
    def dumping(self) -> Iterator[None]:
        """Let what is started meanwhile write core dumps as large as the machine allows."""
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))

    @contextmanager
    def mid_exchange(self, login: Login, name: str, *words: str, **more: str) -> Iterator[None]:
        """Run a command whose exchange of a login the issuer holds back while the block runs."""
        self.issuer.fault("hold", login_id=login.login_id)
        process = self.machine.start(name, *words, **more)
        self.issuer.until_held()
        yield
        self.issuer.release()
        self.said.append((" ".join((name, *words)) + ", held", ended(process)))

    def hears(self, data: bytes) -> None:
        """Send bytes to the API that are no proper request."""
        parts = urlsplit(self.daemon.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as stream:
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            got = b""
            while more := stream.recv(1 << 16):
                got += more
        self.said.append(("raw HTTP", Ran(0, got.decode("latin-1"), "")))

    def abort_a_command(self, key: str) -> None:
        """Kill a command by SIGABRT while it waits for a broker that does not answer."""
        remote = {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_API_KEY": key}
        with Peer(hang) as peer:
            url = f"http://127.0.0.1:{peer.port}"
            process = self.machine.start(FETCHTOKEN, "-v", **remote, CODEX_REMOTE_URL=url)
            assert peer.arrived.wait(30)
            process.send_signal(signal.SIGABRT)
            self.said.append(("codex-fetchtoken, SIGABRT", ended(process)))

    def abort_the_daemon(self, login: Login, account: str) -> None:
        """Kill the daemon by SIGABRT in mid-exchange, and its exchange process, too."""
        self.issuer.fault("hold", login_id=login.login_id)
        process = self.machine.start(BROKER, "account", "refresh", account, "--force")
        self.issuer.until_held()
        self.daemon.process.send_signal(signal.SIGABRT)
        self.daemon.process.wait(60)
        self.said.append(("account refresh, daemon dies", ended(process)))
        for pid in self.exchanges():
            os.kill(pid, signal.SIGABRT)
        until_sync(lambda: not self.exchanges())
        self.issuer.release()

    def exchanges(self) -> list[int]:
        """Return the exchange processes that live."""
        found = []
        for pid in processes_of(self.home):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"-m" in words:
                found.append(pid)
        return found
