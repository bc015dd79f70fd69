"""Notice that this home, or its store, lives a second time, and take the accounts out of renewal.

What is noticed and how is said in :mod:`broker.domain.secondlife`. What this cannot write down is
logged and shown by ``readyz`` and ``check``; tokens are served all the same.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TypeVar

import structlog

from broker.domain.records import Account
from broker.domain.roster import Roster
from broker.domain.secondlife import Marker, Reading, Why, behind, spent
from broker.ops.home import Home
from broker.ops.marker import last_seen, make_marker, marker_in, see
from broker.refresh.highwater import HighWater
from broker.refresh.vigil import Vigil
from broker.store.lives import Cause, homes, restore, settle_in, void_invites
from broker.store.store import Store
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["SecondLife"]

_log = structlog.get_logger("broker.home")

_T = TypeVar("_T")

_SEE_EVERY_S = 60.0
_MOST_NAMED = 20


class SecondLife:
    """Looks at the start, and again whenever this machine may have slept.

    Args:
        home: the home; the caller holds its lock.
        store: its store.
        roster: what is in the store, and kept so.
        marks: the home's high-water mark.
        vigil: guards sending while nobody has looked.
        clock: epoch seconds for records; sleep is measured by the vigil's.
    """

    def __init__(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        home: Home,
        store: Store,
        roster: Roster,
        marks: HighWater,
        vigil: Vigil,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._home = home
        self._store = store
        self._roster = roster
        self._marks = marks
        self._vigil = vigil
        self._clock = clock
        self._seen_s = float("-inf")
        self._error = ""

    @property
    def error(self) -> str:
        """What of the home's memory of itself cannot be written; empty while all can."""
        return self._marks.error or self._error

    async def begin(self) -> None:
        """Look before anything is sent or settled.

        Raises:
            Unavailable: the store does not answer.
        """
        try:
            await asyncio.to_thread(self._marks.read)
        except OSError as error:
            _log.error("high_water_not_read", error=error.strerror, hint="mend the disk, then restart")
        known = await homes(self._store)
        try:
            found = await asyncio.to_thread(marker_in, self._home.path)
        except OSError as error:
            # To take it for lost would take every account out of renewal.
            self._marks.hold(f"home.id cannot be read: {error.strerror}")
            _log.error("home_marker_not_read", error=error.strerror, hint="mend the disk, then restart")
            await self._judge_sleep()
            return
        await self._judge_place(found, known)
        await self._judge_store()
        await self._judge_sleep()
        await self._remember(found, known)

    async def look(self) -> None:
        """Look whether the machine slept; at most once a minute, write down that it does not.

        Raises:
            Unavailable: the store does not answer; nothing is sent until it has.
        """
        if self._vigil.slept():
            await self._after_sleep()
        now_s = self._vigil.saw()
        if now_s - self._seen_s >= _SEE_EVERY_S:
            self._seen_s = now_s
            await self._write(see, self._home.path, now_s)

    async def mend(self) -> None:
        """Try again what could not be written."""
        with suppress(OSError):
            await self._marks.mend()

    async def _judge_place(self, found: tuple[Marker, Reading] | None, known: Collection[str]) -> None:
        here = f"{self._home.path}"
        if found is not None and found[1] is Reading.COPIED:
            await self._restore(self._roster.accounts(), Why.COPIED, here)
        elif known and (found is None or found[0].home not in known):
            await self._restore(self._roster.accounts(), Why.OTHER_HOME, here)
        elif found is not None and found[1] is Reading.UNSURE:
            _log.warning("home_marker_moved", home=here, note="nothing follows from that alone")

    async def _judge_store(self) -> None:
        marks, top = self._marks.marks, self._marks.top
        counter = await self._store.change_counter()
        older = behind(self._roster.accounts(), marks, top=top, counter=self._roster.revision)
        if older or counter < top:
            _log.warning("store_put_back", at_change=counter, was_at=top, hint="codex-broker client list")
            # Whatever took them out of renewal before: that nobody may send them is the news that counts.
            await self._restore(spent(older, marks), Why.SPENT, "", above=top, again=True)
            await self._restore(older, Why.PUT_BACK, "", above=top)

    async def _judge_sleep(self) -> None:
        last_s, elsewhere = await asyncio.to_thread(last_seen, self._home.path)
        if elsewhere:
            _log.warning("machine_changed", home=str(self._home.path), note="nothing follows from that alone")
        if last_s is not None:
            self._vigil.since(last_s)
        await self.look()

    async def _after_sleep(self) -> None:
        since = to_rfc3339(self._vigil.last_s)
        await self._restore(self._roster.accounts(), Why.SLEPT, since)

    async def _restore(
        self,
        accounts: Collection[Account],
        why: Why,
        detail: str,
        *,
        above: int = 0,
        again: bool = False,
    ) -> None:
        cause = Cause(why=why, detail=detail, at=self._clock())
        ids = {account.id for account in accounts}
        changed = await restore(self._store, ids, cause, above=above, again=again)
        for account in changed:
            self._roster.put_account(account)
        await self._marks.keep(*changed)
        if ended := await void_invites(self._store, cause):
            _log.warning("invites_ended", why=str(why), clients=sorted(ended)[:_MOST_NAMED])
        if changed:
            names = sorted(account.name for account in changed)[:_MOST_NAMED]
            # A command without a daemon prints errors between its own words; this is told in them.
            _log.warning(
                "accounts_restored",
                why=str(why),
                detail=detail,
                count=len(changed),
                accounts=names,
                hint="codex-broker check",
            )

    async def _remember(self, found: tuple[Marker, Reading] | None, known: Collection[str]) -> None:
        """Write down that this home is what it is, once all that follows is in the store."""
        try:
            await self._marks.begin(self._roster.accounts(), await self._store.change_counter())
        except OSError as error:
            _log.error("high_water_not_written", error=error.strerror)
        marker = found[0] if found else None
        if marker is None or (found is not None and found[1] is Reading.COPIED):
            marker = await self._write(make_marker, self._home.path)
        if marker is not None and set(known) != {marker.home}:
            await settle_in(self._store, marker.home)

    async def _write(self, write: Callable[..., _T], *values: object) -> _T | None:
        try:
            done = await asyncio.to_thread(write, *values)
        except OSError as error:
            if not self._error:
                _log.error("home_not_marked", home=str(self._home.path), error=error.strerror)
            self._error = error.strerror or str(error)
            return None
        self._error = ""
        return done
