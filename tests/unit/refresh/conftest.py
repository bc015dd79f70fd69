"""A whole refreshing broker without its HTTP side: real store, journal, process and strict issuer."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord, NewLogin
from broker.domain.roster import Roster
from broker.domain.tokens import read_tokens
from broker.refresh.coordinator import Coordinator
from broker.refresh.highwater import HighWater
from broker.refresh.journals import Journals
from broker.refresh.recovery import Recovery
from broker.refresh.scheduler import Scheduler
from broker.refresh.workshop import Rules, Workshop
from broker.seal.box import Seal
from broker.seal.keyring import Keyring
from broker.store.store import Store
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import JournalKey
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID
from tests.support.issuer import Issuer, Login, issuer

__all__ = ["World", "issuer", "world"]


@dataclass
class World:
    """What one daemon holds, and the issuer it talks to."""

    issuer: Issuer
    store: Store
    keys: Keyring
    directory: Path
    offset_s: float = 0.0
    logins: dict[str, Login] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything that is only in memory, as a killed daemon does."""
        self.roster = Roster()
        self.journals = Journals(str(self.directory / "journal"), self.keys)
        rules = Rules(part=0.6, parallel=4, lease_s=90, clock=self.clock, chance=lambda: 0.0)
        environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self.marks = HighWater(str(self.directory / "high-water"), self.store.store_id)
        self.shop = Workshop(self.store, self.roster, self.journals, rules, self.marks)
        self.coordinator = Coordinator(self.shop, environ=environ)
        self.recovery = Recovery(self.shop, self.coordinator)
        self.scheduler = Scheduler(self.shop, self.coordinator, self.recovery)

    @property
    def journal_key(self) -> JournalKey:
        """What journal files are sealed with now."""
        return JournalKey(*self.keys.derive_current("journal"))

    def clock(self) -> float:
        return time.time() + self.offset_s

    async def add(
        self,
        name: str = "work",
        *,
        url: str = "",
        source: str = "import",
        source_path: str = "",
        **wishes: object,
    ) -> Account:
        """Mint a login at the issuer and take it in."""
        login = self.issuer.mint(**wishes)
        self.logins[name] = login
        tokens = read_tokens(
            Secret(login.access_token),
            Secret(login.refresh_token),
            Secret(login.id_token),
            now_s=self.clock(),
            jitter=0.0,
        )
        new = NewLogin(
            tokens=tokens,
            issuer=url or self.issuer.url,
            client_id=OAUTH_CLIENT_ID,
            source=source,
            source_path=source_path,
        )
        account = await self.store.add_account(name, new, AuditRecord(self.clock(), Action.ACCOUNT_ADDED))
        self.roster.put_account(account)
        return account

    async def load(self) -> None:
        """Read the store into memory, as a daemon does at its start."""
        self.roster.apply(await self.store.snapshot())

    async def row(self, name: str = "work") -> Account:
        """Return an account as the store has it."""
        found = {account.name: account for account in (await self.store.snapshot()).accounts}
        return found[name]

    def decisions(self) -> list[str]:
        """Return what the issuer decided about each exchange."""
        return [entry["decision"] for entry in self.issuer.exchanges()]


@pytest.fixture
async def world(issuer: Issuer, tmp_path: Path) -> AsyncIterator[World]:
    """A home with a store and keys, and nothing in it."""
    keys = Keyring.new(os.urandom, "test")
    store = await Store.open(f"sqlite:///{tmp_path}/broker.db", Seal(keys))
    made = World(issuer, store, keys, tmp_path)
    yield made
    await made.coordinator.close(within_s=10)
    await store.close()
