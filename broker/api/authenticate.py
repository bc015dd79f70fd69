"""Which client is calling: the API key, and the limits on guessing keys and on reading.

Whatever is wrong with a key, the answer is the same 401. Each one costs the caller's address.
An address that has used up its failures is answered 429 **without a look at the key**, so that
nothing can be learned by going on. One exception keeps healthy callers alive behind an address
that they share with a guesser: a key id that was good from that very address within the last
hour is still checked, against a budget of its own.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from broker.api.limits import Buckets, Rate
from broker.api.peers import limit_key
from broker.api.problems import ProblemError
from broker.api.proofs import KEY_ID, Proofs
from broker.api.recent import Recent
from broker.domain.client import is_live
from broker.domain.records import Client
from broker.domain.roster import Roster

__all__ = ["DEFAULT_LIMITS", "Authenticator", "Limits", "refused_key"]

_GOOD_FOR_S = 3600.0
_CHALLENGE = 'Bearer realm="codex-broker"'


class Limits(NamedTuple):
    """How much a caller may do."""

    failures: Rate
    """Refused keys, for each address."""
    reads: Rate
    """Requests, for each client."""


DEFAULT_LIMITS = Limits(failures=Rate(burst=20, per_s=1 / 3), reads=Rate(burst=1000, per_s=100.0))


class Authenticator:
    """Finds the client of a request.

    Args:
        roster: the clients.
        key_hash_key: the key under which API keys are hashed.
        limits: how much is allowed.
    """

    def __init__(self, roster: Roster, key_hash_key: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
        self._proofs = Proofs(roster, key_hash_key)
        self._failures = Buckets(limits.failures)
        self._familiar_failures = Buckets(limits.failures)
        self._reads = Buckets(limits.reads)
        self._familiar = Recent(_GOOD_FOR_S)

    def client(self, authorization: Sequence[str], address: str, *, now_s: float, ticks_s: float) -> Client:
        """Return the client whose live key the request carries.

        Args:
            authorization: the values of all ``Authorization`` headers.
            address: the caller's.
            now_s: epoch seconds, for the key's expiry.
            ticks_s: seconds on a clock that does not go back, for the limits.

        Raises:
            ProblemError: ``invalid_token`` or ``rate_limited``.
        """
        where = limit_key(address)
        text = _bearer(authorization)
        pair = f"{where} {text[KEY_ID]}"
        familiar = self._familiar.has(pair, ticks_s)
        budget, payer = (self._familiar_failures, pair) if familiar else (self._failures, where)
        wait_s = budget.wait_s(payer, ticks_s)
        if wait_s:
            raise _limited("too many refused keys from this address", wait_s)
        client = self._proofs.client(text)
        if client is None or not is_live(client, now_s):
            budget.take(payer, ticks_s)
            raise refused_key(given=bool(authorization))
        wait_s = self._reads.take(client.key_id, ticks_s)
        if wait_s:
            raise _limited("too many requests of this client", wait_s)
        self._familiar.add(pair, ticks_s)
        return client


def _bearer(authorization: Sequence[str]) -> str:
    """Return the credential of a request that has exactly one bearer (RFC 6750 §2.1), else nothing."""
    if len(authorization) != 1:
        return ""
    scheme, _, value = authorization[0].partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def refused_key(*, given: bool = True) -> ProblemError:
    """Return the one answer to every key that does not count."""
    challenge = f'{_CHALLENGE}, error="invalid_token"' if given else _CHALLENGE
    return ProblemError(
        "invalid_token",
        "the API key is missing, unknown, expired or revoked",
        {"WWW-Authenticate": challenge},
    )


def _limited(detail: str, wait_s: float) -> ProblemError:
    return ProblemError("rate_limited", detail, {"Retry-After": str(max(1, ceil(wait_s)))})
