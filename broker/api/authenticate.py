"""Which client is calling: the API key, within the limits of the gate.

Whatever is wrong with a key, the answer is the same 401. Each one costs the caller's address.
"""

from collections.abc import Sequence

from broker.access.gate import Gate
from broker.access.tokens import REFUSED_KEY
from broker.api.problems import CHALLENGE, ProblemError
from broker.api.proofs import KEY_ID, Proofs
from broker.domain.client import is_live
from broker.domain.records import Client
from broker.domain.roster import Roster

__all__ = ["Authenticator"]


class Authenticator:
    """Finds the client of a request.

    Args:
        roster: the clients.
        key_hash_key: the key under which API keys are hashed.
        gate: how much is allowed.
    """

    def __init__(self, roster: Roster, key_hash_key: bytes, gate: Gate) -> None:
        self._proofs = Proofs(roster, key_hash_key)
        self._gate = gate

    def client(self, authorization: Sequence[str], address: str, *, now_s: float, ticks_s: float) -> Client:
        """Return the client whose live key the request carries.

        Args:
            authorization: the values of all ``Authorization`` headers.
            address: the caller's.
            now_s: epoch seconds, for the key's expiry.
            ticks_s: seconds on a clock that does not go back, for the limits.

        Raises:
            Refused: ``invalid_token`` or ``rate_limited``.
        """
        # Without credentials the challenge names no error (RFC 6750 §3.1).
        headers = {} if authorization else {"WWW-Authenticate": CHALLENGE}
        return self.client_of(_bearer(authorization), address, headers, now_s=now_s, ticks_s=ticks_s)

    def client_of(
        self,
        key: str,
        address: str,
        headers: dict[str, str] | None = None,
        *,
        now_s: float,
        ticks_s: float,
    ) -> Client:
        """Return the client whose live API key a text is.

        Args:
            key: the text, whatever it is.
            address: the caller's.
            headers: those of a refusal.
            now_s: epoch seconds, for the key's expiry.
            ticks_s: seconds on a clock that does not go back, for the limits.

        Raises:
            Refused: ``invalid_token`` or ``rate_limited``.
        """
        trial = self._gate.trial(address, key[KEY_ID], ticks_s)
        client = self._proofs.client(key)
        if client is None or not is_live(client, now_s):
            self._gate.failed(trial, ticks_s)
            raise ProblemError("invalid_token", REFUSED_KEY, headers)
        self._gate.read(client, ticks_s)
        self._gate.passed(trial, ticks_s)
        return client


def _bearer(authorization: Sequence[str]) -> str:
    """Return the credential of a request that has exactly one bearer (RFC 6750 §2.1), else nothing."""
    if len(authorization) != 1:
        return ""
    scheme, _, value = authorization[0].partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
