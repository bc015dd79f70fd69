"""What every administrative operation needs at hand."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord, Client
from broker.domain.roster import Roster
from broker.ops.home import Home
from broker.ops.reach import Reach
from broker.ops.secondlife import SecondLife
from broker.refresh.coordinator import Coordinator
from broker.refresh.highwater import HighWater
from broker.refresh.journals import Journals
from broker.store.store import Store
from broker.tls.keeper import TlsKeeper
from fetchtoken.domain.errors import NotFound

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The home, the store, what is known of it in memory, and the settings that matter here."""

    home: Home
    store: Store
    roster: Roster
    coordinator: Coordinator
    journals: Journals
    marks: HighWater
    life: SecondLife
    clock: Callable[[], float]
    """Epoch seconds."""
    chance: Callable[[], float]
    """From -1 to 1."""
    issuer: str
    """The only issuer whose logins come in."""
    reach: Reach
    """Where other machines find this broker."""
    refresh_at: float
    """Part of a token's life after which it is due."""
    ssh_address: tuple[str, int] | None
    """Where the SSH front door listens, if it does."""
    tls: TlsKeeper | None
    """The daemon's own certificate, where it serves https itself."""
    public_host: str
    """By which name clients reach this daemon itself, or empty."""

    def account(self, name: str) -> Account:
        """Return the account of that name.

        Raises:
            NotFound: there is none.
        """
        found = self.roster.account(name)
        if found is None:
            raise NotFound(f"there is no account named {name[:80]!r}", hint="codex-broker account list")
        return found

    def client(self, name: str) -> Client:
        """Return the client of that name.

        Raises:
            NotFound: there is none.
        """
        found = self.roster.client(name)
        if found is None:
            raise NotFound(f"there is no client named {name[:80]!r}", hint="codex-broker client list")
        return found

    def account_names(self) -> dict[int, str]:
        """Return the name of every account by its row id."""
        return {account.id: account.name for account in self.roster.accounts()}

    def record(
        self, action: Action, actor: Actor, *, account: str = "", client: str = "", detail: str = ""
    ) -> AuditRecord:
        """Return the audit record of one operation, to be written in its transaction."""
        return AuditRecord(
            at=self.clock(),
            action=action.value,
            client=client,
            account=account,
            peer=actor.peer,
            request_id=actor.request_id,
            detail=detail,
        )
