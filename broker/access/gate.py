"""How often a caller may try keys and read, whichever way it comes in.

Each refused key costs the caller's address; a machine credential once, for the same again is no guess, but
a Codex that does not give up. An address that has used up its failures is refused **without a look at
the key**, so that nothing can be learned by going on. One exception keeps healthy callers alive behind
an address that they share with a guesser: a key that was good from that very address lately is still
checked, against a budget of its own.
"""

import os
from hashlib import blake2b
from math import ceil
from typing import NamedTuple

from broker.access.addresses import limit_key
from broker.access.limits import Buckets, Rate
from broker.access.recent import Recent
from broker.access.refused import Refused
from broker.domain.records import Client, Machine

__all__ = ["DEFAULT_LIMITS", "Gate", "Limits", "Trial"]

_GOOD_FOR_S = 3600.0
_MACHINE_GOOD_FOR_S = 30 * 86_400.0
"""A program that exchanges a machine credential comes when its access token ends: once in days."""

_REFUSED_FOR_S = 3600.0
"""For how long a refused key costs nothing more."""


class Limits(NamedTuple):
    """How much a caller may do."""

    failures: Rate
    """Refused keys, for each address."""
    reads: Rate
    """Requests, for each client."""
    joins: Rate = Rate(burst=20, per_s=1 / 15)
    """Attempts with an invite code that came to nothing, for each address."""
    all_joins: Rate = Rate(burst=500, per_s=5.0)
    """The same, for all addresses together."""
    exchanges: Rate = Rate(burst=60, per_s=1 / 20)
    """API keys exchanged for machine credentials, for each client: each is a change to the store."""
    logins: Rate = Rate(burst=20, per_s=1 / 30)
    """Device logins that are begun, for each address: each is a change to the store."""
    all_logins: Rate = Rate(burst=200, per_s=2.0)
    """The same, for all addresses together."""
    polls: Rate = Rate(burst=30, per_s=1.0)
    """Questions how a device login goes, for each of them."""

    machine_reads: Rate = Rate(burst=200, per_s=2.0)
    """Requests with one machine credential. One that goes on and on (the Codex CLI, where its clock says that
    each new token has ended) is stopped by it, before it uses up what its client's others have."""


DEFAULT_LIMITS = Limits(failures=Rate(burst=20, per_s=1 / 3), reads=Rate(burst=1000, per_s=100.0))


class Trial(NamedTuple):
    """One key that one address tries."""

    pair: str
    """Address and key, by the key's id or fingerprint."""
    budget: Buckets
    payer: str
    """Whose budget a refusal costs."""
    known: Recent
    """Who was good lately."""
    where: str
    """The address, as limits are counted."""


class Gate:
    """Counts refused keys and requests.

    Args:
        limits: how much is allowed.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._failures = Buckets(limits.failures)
        self._familiar_failures = Buckets(limits.failures)
        self._reads = Buckets(limits.reads)
        self._machine_reads = Buckets(limits.machine_reads)
        self._familiar = Recent(_GOOD_FOR_S)
        self._machines = Recent(_MACHINE_GOOD_FOR_S)
        self._refused = Recent(_REFUSED_FOR_S)
        self._own_key = os.urandom(32)
        self._joins = Buckets(limits.joins)
        self._all_joins = Buckets(limits.all_joins)
        self._exchanges = Buckets(limits.exchanges)
        self._logins = Buckets(limits.logins)
        self._all_logins = Buckets(limits.all_logins)
        self._polls = Buckets(limits.polls)

    def trial(
        self, address: str, key: str, ticks_s: float, *, machine_credential: str | None = None
    ) -> Trial:
        """Return a trial, before the key is looked at.

        Args:
            address: the caller's.
            key: id or fingerprint of what it shows.
            ticks_s: seconds on a clock that does not go back.
            machine_credential: all of what it shows, where that is one. Its holder takes a refusal for the
                end and a limit for an outage: one that was refused from here before is looked at always.

        Raises:
            Refused: ``rate_limited``.
        """
        where = limit_key(address)
        pair = f"{where} {key}"
        known = self._familiar if machine_credential is None else self._machines
        familiar = known.has(pair, ticks_s)
        budget, payer = (self._familiar_failures, pair) if familiar else (self._failures, where)
        wait_s = budget.wait_s(payer, ticks_s)
        if wait_s and not self._was_refused(where, machine_credential, ticks_s):
            raise _limited("too many refused keys from this address", wait_s)
        return Trial(pair, budget, payer, known, where)

    def failed(self, trial: Trial, ticks_s: float, *, shown: str | None = None) -> None:
        """Have the caller pay for a key that was refused.

        Args:
            trial: of that key.
            ticks_s: as for the trial.
            shown: all of the key, for which nobody pays twice; ``None`` where each time counts.
        """
        if shown is not None:
            whole = self._whole(trial.where, shown)
            if self._refused.has(whole, ticks_s):
                return
            self._refused.add(whole, ticks_s)
        trial.budget.take(trial.payer, ticks_s)

    def forgive(self, trial: Trial, ticks_s: float) -> None:
        """Give back what a caller paid who had a good key after all."""
        trial.budget.give(trial.payer, ticks_s)

    def expect(self, address: str, key: str, ticks_s: float) -> None:
        """Take a key for good from an address that was given it just now."""
        self._familiar.add(f"{limit_key(address)} {key}", ticks_s)

    def passed(self, trial: Trial, ticks_s: float) -> None:
        """Remember that the key was good from that address."""
        trial.known.add(trial.pair, ticks_s)

    def read(self, client: Client, ticks_s: float, machine: Machine | None = None) -> None:
        """Count one request of a client.

        Args:
            client: who asks.
            ticks_s: seconds on a clock that does not go back.
            machine: by whose credential, where it is by one; what that one may not costs the client nothing.

        Raises:
            Refused: ``rate_limited``.
        """
        if machine is not None:
            _pay(
                self._machine_reads, machine.key_id, ticks_s, "too many requests with this machine credential"
            )
        _pay(self._reads, client.key_id, ticks_s, "too many requests of this client")

    def exchange(self, client: Client, ticks_s: float) -> None:
        """Count one exchange of a client's API key for a machine credential.

        Raises:
            Refused: ``rate_limited``.
        """
        _pay(self._exchanges, str(client.id), ticks_s, "too many machine credentials made for this client")

    def attempt(self, address: str, ticks_s: float) -> None:
        """Have an attempt with an invite code paid for, by its address and by all, before a look at anything.

        Raises:
            Refused: ``rate_limited``.
        """
        for budget, payer in ((self._joins, limit_key(address)), (self._all_joins, "")):
            _pay(budget, payer, ticks_s, "too many attempts with invite codes")

    def joined(self, address: str, ticks_s: float) -> None:
        """Give back what an attempt cost whose codes were right."""
        self._joins.give(limit_key(address), ticks_s)
        self._all_joins.give("", ticks_s)

    def _was_refused(self, where: str, shown: str | None, ticks_s: float) -> bool:
        return shown is not None and self._refused.has(self._whole(where, shown), ticks_s)

    def _whole(self, where: str, shown: str) -> str:
        """Return an address with all of a key, as nobody can read it."""
        text = shown.encode(errors="backslashreplace")
        return f"{where} {blake2b(text, key=self._own_key, digest_size=16).hexdigest()}"

    def login(self, address: str, ticks_s: float) -> None:
        """Count one device login that is begun, before the store hears of it.

        Raises:
            Refused: ``rate_limited``.
        """
        for budget, payer in ((self._logins, limit_key(address)), (self._all_logins, "")):
            _pay(budget, payer, ticks_s, "too many device logins are begun")

    def poll(self, device: str, ticks_s: float) -> None:
        """Count one question how a device login goes.

        Args:
            device: fingerprint of its secret.
            ticks_s: seconds on a clock that does not go back.

        Raises:
            Refused: ``rate_limited``.
        """
        _pay(self._polls, device, ticks_s, "too many questions")


def _pay(budget: Buckets, payer: str, ticks_s: float, what: str) -> None:
    """Take one from a budget, or refuse and take nothing."""
    if wait_s := budget.take(payer, ticks_s):
        raise _limited(what, wait_s)


def _limited(detail: str, wait_s: float) -> Refused:
    return Refused("rate_limited", detail, retry_after_s=max(1, ceil(wait_s)))
