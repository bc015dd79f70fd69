"""The one place that knows all the parts: opens them in order, closes them in reverse."""

import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from broker.admin.desk import Desk
from broker.admin.service import AdminService
from broker.domain.roster import Roster
from broker.issuer.usage import is_refused
from broker.ops.backup import DRAFT
from broker.ops.devices import Devices
from broker.ops.drafts import sweep_drafts
from broker.ops.enrolment import Enrolment
from broker.ops.home import Home
from broker.ops.machines import Machinery
from broker.ops.reach import Reach
from broker.ops.secondlife import SecondLife
from broker.ops.setup import require_key
from broker.refresh.coordinator import Coordinator
from broker.refresh.demands import Demands
from broker.refresh.highwater import HighWater
from broker.refresh.journals import Journals
from broker.refresh.recovery import Recovery
from broker.refresh.vigil import Vigil
from broker.refresh.workshop import Rules, Workshop
from broker.seal.box import Seal
from broker.seal.keychange import settle_key_file
from broker.seal.keyfile import load_keyring
from broker.seal.keyring import Keyring
from broker.settings import Settings
from broker.store.store import Store
from broker.tls.keeper import TlsKeeper
from fetchtoken.domain.errors import Unsafe

__all__ = ["FLIGHTS_END_WITHIN_S", "Parts", "keeper_of", "opened"]

FLIGHTS_END_WITHIN_S = 40.0
"""An exchange lasts 30 s at most; systemd's TimeoutStopSec=45 leaves 5 s to close the store in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A broker without its listeners: what the daemon and a command without one have in common."""

    home: Home
    settings: Settings
    clock: Callable[[], float]
    """Epoch seconds."""
    store: Store
    roster: Roster
    journals: Journals
    shop: Workshop
    coordinator: Coordinator
    recovery: Recovery
    life: SecondLife
    tls: TlsKeeper | None
    """The certificate with which https is served here, if it is."""
    enrolment: Enrolment
    machinery: Machinery
    devices: Devices
    service: AdminService


@asynccontextmanager
async def opened(
    home: Home, settings: Settings, tls: TlsKeeper | None = None, *, local_url: str = ""
) -> AsyncIterator[Parts]:
    """Open store, journal and memory, and settle what a crash left; the caller holds the home's lock.

    Args:
        home: the home.
        settings: where its parts are.
        tls: what a daemon listens with; by default whatever the settings name, not read before it is asked.
        local_url: where a daemon listens on a loopback address; empty where none is about to.

    Raises:
        NotFound: there is no master key.
        ConfigError: the store cannot be opened with these settings.
        Unsafe: files are open to others, damaged, or the journal cannot be made.
        Unavailable: the database does not answer.
    """
    offset_s = settings.clock.offset

    def clock() -> float:
        return time.time() + offset_s

    sweep_drafts(home.path, DRAFT)
    require_key(home, settings)
    key_file = settings.key_file(home, os.environ)
    settle_key_file(key_file)
    keys = load_keyring(key_file)
    journals = _open_journals(home, keys)
    store = await Store.open(settings.store_url(home), Seal(keys), now=clock, head=home.audit_head)
    marks = HighWater(str(home.high_water), store.store_id)
    try:
        roster = Roster()
        roster.apply(await store.snapshot())
        vigil = Vigil(settings.refresh.absence)
        life = SecondLife(home, store, roster, marks, vigil, clock=clock)
        await life.begin()
        rules = Rules(
            part=settings.refresh.at,
            parallel=settings.refresh.parallel,
            lease_s=settings.refresh.lease,
            clock=clock,
            chance=_chance,
        )
        shop = Workshop(store, roster, journals, rules, marks, vigil)
        coordinator = Coordinator(shop)
        recovery = Recovery(shop, coordinator)
        await recovery.look()
        await recovery.sweep()
        desk = Desk(
            home=home,
            store=store,
            roster=roster,
            coordinator=coordinator,
            journals=journals,
            marks=marks,
            life=life,
            clock=clock,
            issuer=settings.issuer.url,
            reach=Reach(
                public_url=settings.server.public_url,
                local_url=local_url,
                # What others see behind a proxy is the proxy's.
                certificate=None if settings.server.behind_proxy else settings.tls.cert,
            ),
            refresh_at=settings.refresh.at,
            ssh_address=settings.ssh.address,
            chance=_chance,
            tls=tls or keeper_of(settings),
            public_host="" if settings.server.behind_proxy else settings.server.public_host,
        )
        demands = Demands(
            roster,
            coordinator,
            lambda account: is_refused(account, settings.issuer.backend_url),
            clock=clock,
            ticks=time.monotonic,
        )
        yield Parts(
            home=home,
            settings=settings,
            clock=clock,
            store=store,
            roster=roster,
            journals=journals,
            shop=shop,
            coordinator=coordinator,
            recovery=recovery,
            life=life,
            tls=desk.tls,
            enrolment=Enrolment(store, roster, marks),
            machinery=Machinery(store, roster, demands, marks, clock),
            devices=Devices(store, roster, marks, clock),
            service=AdminService(desk),
        )
    finally:
        await store.close()
        marks.close()


def keeper_of(settings: Settings) -> TlsKeeper | None:
    """Return the keeper of the certificate that the settings name, if they name one; nothing is read."""
    cert, key = settings.tls.cert, settings.tls.key
    return None if cert is None or key is None else TlsKeeper(cert, key)


def _chance() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - spreads due times, guards nothing


def _open_journals(home: Home, keys: Keyring) -> Journals:
    try:
        return Journals(str(home.journal), keys)
    except OSError as error:
        raise Unsafe(
            f"the journal {home.journal} cannot be written: {error.strerror}",
            hint="without it nothing may be exchanged: free or mend the disk",
        ) from None
