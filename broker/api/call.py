"""One request on its way through the API."""

from random import Random

from aiohttp.web import Request
from multidict import istr

from broker.telemetry.redact import redact_text

__all__ = ["Call", "request_id_of"]

_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_ID_LONGEST = 64
_random = Random()  # noqa: S311 - names a request and is no secret


class Call:
    """A request with what the handlers need of it.

    Args:
        request: the request.
        request_id: names it in logs, in the audit trail and in the answer.
        peer: the caller's address.
        now_s: epoch seconds at which it came.
        ticks_s: the same on a clock that does not go back.
    """

    __slots__ = ("account", "client", "now_s", "peer", "request", "request_id", "ticks_s")

    def __init__(self, request: Request, request_id: str, peer: str, now_s: float, ticks_s: float) -> None:
        self.request = request
        self.request_id = request_id
        self.peer = peer
        self.now_s = now_s
        self.ticks_s = ticks_s
        self.client = ""
        """Name of the client once its key was found good."""
        self.account = ""
        """Name of the account once it is known to be granted; for the request line."""

    def joined(self, header: istr) -> str | None:
        """Return all values of a list header joined by commas (RFC 9110 §5.3), or ``None``."""
        values = self.request.headers.getall(header, None)
        return None if values is None else ",".join(values)


def request_id_of(given: str | None) -> str:
    """Return the caller's request id where it is sane, else a new one.

    Sane is up to 64 of letters, digits, ``.``, ``_`` and ``-`` that do not look like a secret:
    the id goes into logs and the audit trail.
    """
    if given and len(given) <= _ID_LONGEST and _ID_LETTERS.issuperset(given) and redact_text(given) == given:
        return given
    return f"{_random.getrandbits(64):016x}"
