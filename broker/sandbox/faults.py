"""Faults on demand: what goes wrong with a request, when, and for how many requests. Pure.

A fault either keeps the request from being processed, or spoils the answer after the rotation
was committed. ``commit-then-NAME`` turns any fault of the first kind into the second.
``status-404`` or ``status-403-refresh_token_reused`` answers with any status and error code.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from broker.sandbox.answers import Reply, Shape, error_reply, html_reply, json_reply
from broker.sandbox.issuer import Decision
from fetchtoken.domain.errors import ConfigError

__all__ = ["FAULTS", "Fault", "FaultQueue", "Queued", "Wire", "find_fault", "spoil"]

_COMMIT = "commit-then-"
_STATUS = re.compile(r"status-([2-5][0-9]{2})(?:-([a-z_]{1,64}))?")


class Wire(StrEnum):
    """How the answer leaves."""

    ANSWER = "answer"
    RESET = "reset"
    """TCP reset, no byte of an answer."""
    HANG = "hang"
    """Nothing until the issuer stops."""
    TORN = "torn"
    """Half of the body, then the connection ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail; the defaults are those of an honest answer."""

    name: str
    meaning: str
    processed: bool = False
    """The request is judged, and a rotation committed, before the fault."""
    wire: Wire = Wire.ANSWER
    held_before: bool = False
    """Wait for a release before the request is judged."""
    held: bool = False
    """Wait for a release after the request was judged."""
    slow: bool = False
    """Wait the queued seconds after the request was judged."""
    status: int = 0
    """Answer with this status instead of the honest one."""
    code: str = ""
    retry_after: bool = False
    location: str = ""
    html: bool = False
    text: str = ""
    """Answer with this body, which is not what its content type says."""
    without: frozenset[str] = frozenset()
    """Fields taken out of a token answer."""
    keeps_refresh: bool = False
    stranger: bool = False


def _table(*faults: Fault) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults}


FAULTS = _table(
    Fault(name="500", meaning="internal server error", status=500, code="server_error"),
    Fault(name="503", meaning="overloaded", status=503, code="overloaded"),
    Fault(
        name="503-retry-after",
        meaning="overloaded, with Retry-After",
        status=503,
        code="overloaded",
        retry_after=True,
    ),
    Fault(name="429", meaning="too many requests", status=429, code="rate_limited"),
    Fault(
        name="429-retry-after",
        meaning="too many requests, with Retry-After",
        status=429,
        code="rate_limited",
        retry_after=True,
    ),
    Fault(name="redirect-302", meaning="found, elsewhere", status=302, location="/oauth/token"),
    Fault(name="redirect-307", meaning="send the same again", status=307, location="/oauth/token"),
    Fault(name="403-page", meaning="a bot wall's page", status=403, html=True),
    Fault(name="html", meaning="a captive portal's page with status 200", status=200, html=True),
    Fault(name="not-json", meaning="200 with a body that is no JSON", status=200, text="{upstream"),
    Fault(name="reset", meaning="connection reset without an answer", wire=Wire.RESET),
    Fault(name="hang", meaning="no answer, connection open", wire=Wire.HANG),
    Fault(name="refuse-reused", meaning="say reused", status=401, code="refresh_token_reused"),
    Fault(name="refuse-expired", meaning="say expired", status=401, code="refresh_token_expired"),
    Fault(name="refuse-revoked", meaning="say revoked", status=401, code="refresh_token_invalidated"),
    Fault(name="refuse-grant", meaning="say invalid_grant", status=400, code="invalid_grant"),
    Fault(name="refuse-bare", meaning="401 with an empty body", status=401),
    Fault(name="torn", meaning="rotated, half of the answer", processed=True, wire=Wire.TORN),
    Fault(
        name="missing-fields",
        meaning="rotated, 200 without any token",
        processed=True,
        without=frozenset({"access_token", "refresh_token", "id_token"}),
    ),
    Fault(
        name="no-access-token",
        meaning="rotated, access token left out",
        processed=True,
        without=frozenset({"access_token"}),
    ),
    Fault(
        name="no-id-token",
        meaning="rotated, id token left out",
        processed=True,
        without=frozenset({"id_token"}),
    ),
    Fault(
        name="no-refresh-token",
        meaning="not rotated: the old refresh token stays good",
        processed=True,
        keeps_refresh=True,
    ),
    Fault(
        name="other-account",
        meaning="rotated, the tokens name another account",
        processed=True,
        stranger=True,
    ),
    Fault(name="slow", meaning="rotated, answer after some seconds", processed=True, slow=True),
    Fault(name="hold", meaning="rotated, answer held until released", processed=True, held=True),
    Fault(
        name="hold-before",
        meaning="held until released, then rotated and answered",
        processed=True,
        held_before=True,
    ),
)
"""Every fault by name."""


def find_fault(name: str) -> Fault:
    """Return the fault of that name, ``commit-then-`` and ``status-`` understood.

    Raises:
        ConfigError: there is none.
    """
    word = name.removeprefix(_COMMIT)
    fault = FAULTS.get(word) or _any_status(word)
    if fault is None or (name.startswith(_COMMIT) and fault.processed):
        hint = f"one of {', '.join(FAULTS)}; status-NNN, status-NNN-CODE; {_COMMIT}NAME"
        raise ConfigError(f"no fault {name[:40]!r}", hint=hint)
    return fault if name == fault.name else replace(fault, name=name, processed=True)


def _any_status(name: str) -> Fault | None:
    match = _STATUS.fullmatch(name)
    if match is None:
        return None
    return Fault(name=name, meaning="as it says", status=int(match[1]), code=match[2] or "")


@dataclass(slots=True, kw_only=True)
class Queued:
    """A fault that waits for its requests."""

    fault: Fault
    times: int = 1
    """Requests that it still spoils; negative: all."""
    seconds: float = 1
    """For Retry-After and ``slow``."""
    login_id: str = ""
    """Only requests with this login's tokens; empty: any."""
    route: str = "/oauth/token"
    """Only requests to this path."""


@dataclass(slots=True)
class FaultQueue:
    """Faults in the order in which they were asked for; the first that fits is used."""

    queue: list[Queued] = field(default_factory=list)

    def take(self, route: str, login_id: str) -> Queued | None:
        """Return the fault for one request and count it, or ``None``."""
        for queued in self.queue:
            if queued.route == route and queued.login_id in ("", login_id):
                queued.times -= 1
                if queued.times == 0:
                    self.queue.remove(queued)
                return queued
        return None


def spoil(queued: Queued, decision: Decision, shape: Shape) -> Reply:
    """Return the answer that the fault makes of a decision.

    Args:
        queued: the fault with its seconds.
        decision: what was decided, or that nothing was.
        shape: where an error's code stands.
    """
    fault = queued.fault
    if fault.html:
        reply = html_reply(fault.status)
    elif fault.text:
        reply = Reply(status=fault.status, body=fault.text.encode())
    elif fault.status:
        reply = error_reply(fault.status, fault.code, shape)
    elif fault.without and not decision.code:
        kept = {key: value for key, value in decision.document.items() if key not in fault.without}
        reply = json_reply(decision.status, kept)
    else:
        reply = decision.reply(shape)
    extra = {"Location": fault.location} if fault.location else {}
    if fault.retry_after:
        extra["Retry-After"] = f"{queued.seconds:.0f}"
    return reply.with_headers(extra)
