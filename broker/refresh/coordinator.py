"""Single flight: however many ask, one exchange per rotation, carried out by nobody who could go away."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.replay import is_open
from broker.domain.schedule import Phase, phase, rest_s, servable, waits_until
from broker.domain.secondlife import is_spent
from broker.refresh.explain import explain, in_flight
from broker.refresh.holders import has_moved_on
from broker.refresh.replay import By, Replay
from broker.refresh.sending import Sender
from broker.refresh.workshop import Workshop
from fetchtoken.domain.errors import NotFound, Unavailable

__all__ = ["Coordinator"]

_log = structlog.get_logger("broker.refresh")


class Coordinator:
    """Owns every exchange of this daemon. A flight is a task of the coordinator, never of a caller.

    Args:
        shop: what it works with.
        environ: what exchange processes may inherit from.
    """

    def __init__(self, shop: Workshop, *, environ: Mapping[str, str] = os.environ) -> None:
        self._shop = shop
        self._sender = Sender(shop, environ)
        self._replay = Replay(shop, self._sender)
        self._flights: dict[int, asyncio.Task[Account]] = {}
        self._slots = asyncio.Semaphore(shop.rules.parallel)
        self._closing = False

    @property
    def journal_error(self) -> str:
        """Why the last attempt file could not be made; empty while they can."""
        return self._sender.journal_error

    @journal_error.setter
    def journal_error(self, reason: str) -> None:
        self._sender.journal_error = reason

    @property
    def flying(self) -> frozenset[int]:
        """Row ids of the accounts that an attempt of this daemon is under way for."""
        return frozenset(self._flights)

    async def ensure(self, account: int, *, reason: str) -> Account:
        """Return the account with a servable token, exchanging or joining a flight where needed.

        Cancelling the caller ends its waiting, never the exchange.

        Args:
            account: row id.
            reason: why, for the log.

        Raises:
            LoginRequired: the issuer refused the login.
            Unavailable: it cannot be renewed now.
            NotFound: there is no such account.
        """
        held = self._known(account)
        if account not in self._flights and servable(held.expires_at, self._shop.rules.clock()):
            return held
        flown = await asyncio.shield(self.start(held, reason=reason))
        if not servable(flown.expires_at, self._shop.rules.clock()):
            raise explain(flown, self._shop.rules.clock())
        return flown

    async def refresh(self, account: int, *, force: bool) -> Account:
        """Exchange now: where the account is stale, or whatever its age with ``force``.

        Raises:
            LoginRequired: the login is refused, access only, or a person is needed.
            Unavailable: an attempt is in flight or in doubt, or the exchange did not succeed.
            NotFound: there is no such account.
        """
        held = self._known(account)
        if not force and phase(held.expires_at, held.refresh_after, self._shop.rules.clock()) is Phase.FRESH:
            return held
        if account in self._flights:
            raise in_flight(held.name)
        if held.state is not State.ACTIVE:
            raise explain(held, self._shop.rules.clock())
        flown = await asyncio.shield(self.start(held, reason="forced" if force else "scheduled", now=force))
        if flown.state is State.ACTIVE and flown.restored and flown.failures > held.failures:
            # Nothing is decided by that: it still waits for the same order, and for nothing else.
            raise Unavailable(
                f"{held.name} could not be refreshed ({flown.last_error}); nothing is tried again by itself",
                hint=f"try again later: codex-broker account refresh {held.name} --force",
            )
        if flown.state is not State.ACTIVE or flown.generation == held.generation:
            raise explain(flown, self._shop.rules.clock())
        return flown

    async def replay(self, account: int, *, peer: str) -> Account:
        """Send a generation in doubt once more, by an operator's order.

        An answer that its journal holds by now is committed instead.

        Args:
            account: row id.
            peer: who orders it, for the audit record.

        Raises:
            LoginRequired: the issuer refused it: the login is lost.
            Unavailable: not in doubt, replay used, exchange in flight, or again without an answer.
            NotFound: there is no such account.
        """
        held = self._known(account)
        if account in self._flights:
            raise in_flight(held.name)
        flown = await asyncio.shield(self.start_replay(held, By.OPERATOR, peer=peer))
        if flown.state is State.IN_DOUBT and not flown.replay_used:
            raise Unavailable(
                f"{held.name} could not be replayed ({flown.last_error}); its replay is still unused",
                hint="try again later",
            )
        if flown.state is not State.ACTIVE or flown.generation == held.generation:
            raise explain(flown, self._shop.rules.clock())
        return flown

    def start_replay(self, account: Account, by: By, *, peer: str = "") -> asyncio.Task[Account]:
        """Return the flight for an account: the one under way, or that of its replay."""
        return self._take_off(account, lambda: self._fly_again(account.id, by, peer))

    def start(self, account: Account, *, reason: str, now: bool = False) -> asyncio.Task[Account]:
        """Return the flight for an account: the one under way, or a new one.

        Args:
            account: as the roster holds it.
            reason: ``scheduled``, ``forced`` or another word for the log.
            now: do not wait for the end of a back-off.
        """
        return self._take_off(account, lambda: self._fly(account.id, reason, now=now))

    def _take_off(
        self, account: Account, fly: Callable[[], Coroutine[Any, Any, Account]]
    ) -> asyncio.Task[Account]:
        flight = self._flights.get(account.id)
        if flight is None:
            flight = asyncio.create_task(fly(), name=f"exchange {account.name}")
            self._flights[account.id] = flight
            flight.add_done_callback(lambda done: self._landed(account.id, done))
        return flight

    async def close(self, *, within_s: float) -> bool:
        """Begin nothing more and wait for what is under way.

        Args:
            within_s: most seconds to wait, adopted files included. What is still flying then goes on
                in its own process, and the next start finds its answer in the journal.

        Returns:
            Whether everything landed.
        """
        self._closing = True
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s
        flights = list(self._flights.values())
        if flights:
            await asyncio.wait(flights, timeout=within_s)
        await self._shop.adopted.close(within_s=max(end_s - loop.time(), 0))
        return not self._flights

    def follow_file(self, account: Account) -> None:
        """Bring the file of an adopted account up to date, now that its tokens are others."""
        self._shop.adopted.follow(account, self._shop.rules.clock())

    def _landed(self, account: int, flight: asyncio.Task[Account]) -> None:
        self._flights.pop(account, None)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            _log.warning("flight_failed", account=account, error=str(error), kind=type(error).__name__)

    def _known(self, account: int) -> Account:
        held = self._shop.roster.account_by_id(account)
        if held is None:
            raise NotFound("the account does not exist any more", hint="codex-broker account list")
        return held

    async def _fly(self, account_id: int, reason: str, *, now: bool) -> Account:
        async with self._slots:
            account = self._known(account_id)
            self._check(account, now=now)
            if taken := await has_moved_on(self._shop, account):
                raise explain(taken, self._shop.rules.clock())
            return await self._sender.send(account, State.REFRESHING, reason) or self._known(account_id)

    async def _fly_again(self, account_id: int, by: By, peer: str) -> Account:
        async with self._slots:
            account = self._known(account_id)
            self._check_open()
            if is_open(account) and (taken := await has_moved_on(self._shop, account)):
                raise explain(taken, self._shop.rules.clock())
            await self._replay.run(account, by, peer=peer)
            return self._known(account_id)

    def _check_open(self) -> None:
        if self._closing:
            raise Unavailable("the broker is stopping", hint="try again in a minute")
        if self._shop.vigil.slept():
            raise Unavailable("this machine slept; the broker looks first", hint="try again in a minute")

    def _check(self, account: Account, *, now: bool) -> None:
        """Raise where nothing may be sent for this account."""
        self._check_open()
        clock_s = self._shop.rules.clock()
        is_held = bool(account.refresh_token) and not is_spent(account)
        if account.state is not State.ACTIVE or account.adopting or not is_held:
            raise explain(account, clock_s)
        waits = waits_until(account.not_before_s, clock_s) > clock_s
        rests = waits or rest_s(account.refresh_after, clock_s) > 0
        if not now and (account.restored or rests):
            raise explain(account, clock_s)
