"""A broker as its operator runs it, in the middle of an exchange, and what must be said of a doubt."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException

from broker.refresh.journals import Journals
from broker.seal.keyfile import load_keyring
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.journal import Phase
from tests.support.daemon import Daemon
from tests.support.issuer import Issuer
from tests.support.programs import Machine
from tests.support.wait import until_sync

__all__ = ["Operated", "operated"]


class Operated:
    """One daemon (``codex-broker serve``) with one account, ``ada``, whose issuer holds answers.

    Args:
        machine: whose daemon it is.
        issuer: the judge.
        under: the words that put the daemon where its operator has it.
    """

    def __init__(self, machine: Machine, issuer: Issuer, under: tuple[str, ...] = ()) -> None:
        self.issuer = issuer
        self.daemon = Daemon(machine, issuer.url)
        made = machine.broker("init")
        assert made.code == 0, made
        self.daemon.under = under
        self.key = ""

    def found(self) -> None:
        """Start it and give it account and client."""
        self.start()
        self.daemon.hold(self.issuer.mint(email="ada@example.com"), "ada")
        self.key = self.daemon.add_client("laptop", "ada")

    @property
    def pid(self) -> int:
        """The pid of what was started: the daemon, or what it runs under."""
        return self.daemon.process.pid

    def start(self) -> None:
        """Start the daemon, as a service manager does."""
        self.daemon.start("serve")

    def account(self) -> tuple[str, int]:
        """Return the account's state and generation."""
        shown = self.daemon.call("account_show", name="ada")
        return shown["state"], shown["generation"]

    def exchange(self, fault: str = "hold") -> None:
        """Have the account exchanged; the issuer holds the request or the answer on return."""
        self.issuer.fault(fault)
        threading.Thread(target=self._ask, daemon=True).start()
        self.issuer.until_held()

    def journal_phases(self) -> list[Phase]:
        """Return how far each attempt got that has a journal file."""
        journals = Journals(str(self.daemon.home / "journal"), load_keyring(self.daemon.home / "master.key"))
        return [journals.look(attempt).phase for attempt in journals.attempts()]

    def settles(self, state: str, generation: int) -> None:
        """Wait until the account is so."""
        until_sync(lambda: self.account() == (state, generation))

    def assert_one_sending(self) -> None:
        """The issuer's log has one exchange, which rotated; and the login is alive."""
        assert [entry["decision"] for entry in self.issuer.exchanges()] == ["rotated"]
        served = self.daemon.get("/codex", self.key)
        assert served.status == 200
        assert self.issuer.alive(served.document["access_token"])

    def assert_told(self) -> None:
        """The doubt is told wherever an operator looks, with what is safe and what to do."""
        self.settles("in_doubt", 0)
        shown = self.daemon.admin("account", "show", "ada")
        checked = self.daemon.admin("check")
        assert (shown.code, checked.code) == (0, 5)
        for said in (shown.out, checked.out):
            assert "is in doubt: its refresh token was sent and no usable answer came" in said, said
            assert "its access token is served until" in said, said
        assert "codex-broker account replay ada --yes" in checked.err, checked.err
        until_sync(lambda: '"accounts_in_doubt"' in self.daemon.log)

    def _ask(self) -> None:
        # The daemon is going to be killed in the middle of this.
        with suppress(FetchTokenError, OSError, HTTPException):
            self.daemon.call("account_refresh", name="ada", force=True)


@contextmanager
def operated(machine: Machine, issuer: Issuer, under: tuple[str, ...] = ()) -> Iterator[Operated]:
    """Run one until the block ends; arguments as of :class:`Operated`."""
    broker = Operated(machine, issuer, under)
    try:
        broker.found()
        yield broker
    finally:
        if broker.daemon.process.poll() is None:
            broker.daemon.kill()
