"""What still needs a master key: boxes, journal files, intents whose journal lies elsewhere."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.records import Account
from broker.refresh.journals import Journals
from broker.store.keys import StoreKeys
from broker.store.rewrap import boxes_by_key
from broker.store.rotation import read_unsettled
from fetchtoken.oauth.journal import Phase

__all__ = ["Holders", "find_holders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who names which key."""

    boxes: Counter[str]
    """Sealed records, by key id."""
    attempts: Mapping[str, list[str]]
    """Attempts with a journal file, by key id."""
    unsettled: tuple[Account, ...]
    """Accounts that are refreshing, replaying or in doubt."""
    journals: Journals = field(repr=False)

    def needs(self, key_id: str) -> list[str]:
        """Return in words what needs a key; with nothing in it, the key can go."""
        needs = [f"{self.boxes[key_id]} sealed records"] if self.boxes[key_id] else []
        if key_id in self.attempts:
            needs += [self._word(attempt) for attempt in self.attempts[key_id]] or ["an exchange that begins"]
        return needs + [
            f"{account.name}, {_state(account)}: its journal lies on {account.journal_id}, out of sight"
            for account in self.unsettled
            if account.journal_id != self.journals.journal_id
        ]

    async def are_passing(self, key_id: str, flying: AbstractSet[int]) -> bool:
        """Tell whether only exchanges under way need a key: they end within a minute.

        Args:
            key_id: the key.
            flying: row ids of the accounts that this process carries an attempt out for.
        """
        attempts = self.attempts.get(key_id)
        elsewhere = any(account.journal_id != self.journals.journal_id for account in self.unsettled)
        if attempts is None or self.boxes[key_id] or elsewhere:
            return False
        ours = {account.attempt_id for account in self.unsettled if account.id in flying}
        for attempt_id in attempts:
            entry = await asyncio.to_thread(self.journals.look, attempt_id)
            if attempt_id not in ours and entry.phase not in (Phase.HELD, Phase.MISSING):
                return False
        return True

    def _word(self, attempt_id: str) -> str:
        path = self.journals.path(attempt_id)
        for account in self.unsettled:
            if account.attempt_id == attempt_id:
                return f"{account.name}, {_state(account)}: {path}"
        return path


async def find_holders(connection: AsyncConnection, keys: StoreKeys, journals: Journals) -> Holders:
    """Look at store and journal; the answer is as good as the transaction that it is asked in.

    Args:
        connection: of a write transaction, where a key is to be retired by the answer.
        keys: the store's.
        journals: the home's.

    Raises:
        Unsafe: a journal file cannot be read.
    """
    # First the rows, then the files: an attempt's file is there before its row, and goes after it.
    boxes = await boxes_by_key(connection)
    unsettled = await read_unsettled(connection, keys)
    attempts = await asyncio.to_thread(journals.attempts_by_key)
    return Holders(boxes=boxes, attempts=attempts, unsettled=tuple(unsettled), journals=journals)


def _state(account: Account) -> str:
    return str(account.state).replace("_", " ")
