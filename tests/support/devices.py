"""Device logins in a store, from the asking to the credential, for tests of the broker's inside."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.domain.apikey import ApiKey, new_key
from broker.domain.approval import Asked, Offer, Redeemed, Refusal, Wish
from broker.domain.audit import Action
from broker.domain.device import LETTERS, Pair, pair_of
from broker.domain.records import AuditRecord
from broker.store.approval import Approved, approve_device, look_at_device
from broker.store.devices import ask_device
from broker.store.enrolment import invite
from broker.store.redeeming import redeem_code
from broker.store.store import Store
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url

__all__ = ["DAY", "NAMES", "Logins", "Template"]

DAY = 86_400.0
NAMES = ("home", "work", "other")
"""Of the accounts that there are."""

_APPROVER = AuditRecord(at=NOW, action="", peer="10.0.0.9")


class Logins:
    """What people and Codex do, with a store in between.

    Attributes:
        codes: of the invites that were made, in order.
    """

    def __init__(self, store: Store, accounts: dict[str, int]) -> None:
        self.store = store
        self.accounts = accounts
        self.codes: list[ApiKey] = []

    @classmethod
    async def of(cls, store: Store) -> "Logins":
        """Do it in a store with accounts."""
        return cls(store, {account.name: account.id for account in (await store.snapshot()).accounts})

    @staticmethod
    def chance_of(user_code: Secret) -> bytes:
        """Return the chance that makes a user code."""
        bits = 0
        for letter in reversed(user_code.reveal().replace("-", "")):
            bits = bits << 5 | LETTERS.index(letter)
        return bits.to_bytes(5, "big")

    async def client(self, name: str, *accounts: str, **changes: Any) -> int:
        """Make a client with grants; return its row id."""
        granted = {self.accounts[one] for one in accounts}
        key = new_key("cbk", os.urandom)
        return (await self.store.add_client(name, key, RECORD, accounts=granted, **changes)).id

    async def invited(self, name: str = "laptop", *accounts: str, **changes: Any) -> ApiKey:
        """Make an invite, by default for the accounts ``home`` and ``work``."""
        code = new_key("cbi", os.urandom)
        granted = {self.accounts[one] for one in accounts or ("home", "work")}
        known = {"accounts": granted, "default_account": None, "scopes": {"token"}, "expires_at": NOW + DAY}
        made = RECORD._replace(action=Action.INVITE_MADE, client=name, account="")
        await invite(self.store, name, code, made, **(known | changes))
        self.codes.append(code)
        return code

    async def asked(self, **changes: Any) -> Asked:
        """Ask for a login, as Codex does."""
        known = {
            "client_id": "app_x",
            "address": "192.0.2.7",
            "limited_by": "192.0.2.7",
            "now_s": NOW,
            "random_bytes": os.urandom,
        }
        new = await ask_device(self.store, **(known | changes))
        assert new is not None
        return new

    async def look(self, user_code: Secret, code: ApiKey | None) -> Offer | Refusal:
        """Show both codes."""
        return await look_at_device(self.store, user_code, code, _APPROVER)

    async def offered(self, code: ApiKey | None = None, **changes: Any) -> tuple[Asked, Offer]:
        """Ask, invite where no code is given, and look."""
        new = await self.asked(**changes)
        offer = await self.look(new.user_code, code or await self.invited())
        assert isinstance(offer, Offer), offer
        return new, offer

    async def approve(self, offer: Offer, account: str = "work", machine: str = "box") -> Approved | Refusal:
        """Decide for it."""
        return await approve_device(
            self.store, offer.ticket, Wish(account=account, machine=machine), _APPROVER
        )

    async def approved(self, code: ApiKey | None = None, machine: str = "box", **changes: Any) -> Asked:
        """Ask, and have it approved for ``work``."""
        new, offer = await self.offered(code, **changes)
        done = await self.approve(offer, machine=machine)
        assert isinstance(done, Approved), done
        return new

    def pair_of(self, new: Asked) -> Pair:
        """Return authorization code and verifier of a request."""
        return pair_of(new.device, self.store.keys.device)

    async def redeem(self, new: Asked, *, by: Store | None = None, at_most: int = 10) -> Redeemed:
        """Show its authorization code."""
        code, _ = self.pair_of(new)
        audit = AuditRecord(at=NOW, action="", client="laptop", account="work", peer="192.0.2.7")
        return await redeem_code(by or self.store, code, new_key("cbr", os.urandom), audit, at_most=at_most)

    async def trail(self, *words: str) -> list[tuple[str, str, str, str, str]]:
        """Return action, client, account, outcome and detail of the records that begin with one of words."""
        return [
            (one.action, one.client, one.account, one.outcome, one.detail)
            for one in await self.store.list_audit()
            if one.action.startswith(words or ("device.", "invite.", "client.", "machine.", "token."))
        ]


class Template:
    """A store with accounts, made once and copied for each test: to make one takes ten times as long.

    Args:
        directory: an empty one.

    Attributes:
        seal: of every copy.
    """

    def __init__(self, directory: Path) -> None:
        self.seal = new_seal()
        self._directory = directory
        asyncio.run(self._make(NAMES))

    async def _make(self, names: Sequence[str]) -> None:
        store = await Store.open(store_url(self._directory), self.seal, now=lambda: NOW)
        try:
            for number, name in enumerate(names):
                login = a_login(f"{number}", account_id=f"acct-{number}", user_id=f"user-{number}")
                await store.add_account(name, login, RECORD)
        finally:
            await store.close()

    def copied(self, to: Path) -> str:
        """Copy it into a directory; return its URL."""
        for path in self._directory.iterdir():
            shutil.copy(path, to)
        return store_url(to)
