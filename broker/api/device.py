"""Device login to the broker, as Codex sees it: a user code, and the asking how it goes.

OpenAI's own flow, and not RFC 8628: Codex takes 403 and 404 for "not yet" and ends its login at any other
refusal, so whatever passes is 403, and only what is over is not. All that it shows of a refusal is the
status line.
"""

from math import ceil

from aiohttp.web import Response

from broker.access.addresses import limit_key
from broker.access.gate import Gate
from broker.access.refused import Refused
from broker.api.bodies import json_body
from broker.api.call import Call
from broker.api.models import DevicePoll, UserCodeRequest
from broker.api.oauth import answered
from broker.api.ports import Devices
from broker.api.problems import ProblemError, no_store
from broker.domain.device import DeviceRequest, Progress, challenge_of, progress
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret

__all__ = ["DeviceHandlers"]

_LARGEST = 4096
_INTERVAL = "5"
"""Seconds between two questions; Codex wants them as text."""

_FULL_FOR_S = 60
_NOT_YET = "nobody has approved it yet"
_OVER = "this device login is unknown, expired, used, or void after too many wrong codes"


class DeviceHandlers:
    """Answers Codex.

    Args:
        devices: keeps the logins.
        gate: how often it may be tried.
        public_url: how clients reach the broker; without one nobody could be told where to approve.
    """

    def __init__(self, devices: Devices, gate: Gate, public_url: str) -> None:
        self._devices = devices
        self._gate = gate
        self._public_url = public_url

    async def user_code(self, call: Call) -> Response:
        """Begin a login."""
        if not self._public_url:
            raise ProblemError("not_found", "this broker has not been told its own address")
        request = await json_body(call, UserCodeRequest, _LARGEST)
        # An address that has used up its failures begins nothing either.
        self._gate.trial(call.peer, "", call.ticks_s)
        self._gate.login(call.peer, call.ticks_s)
        try:
            asked = await self._devices.ask(
                client_id=request.client_id, address=call.peer, limited_by=limit_key(call.peer)
            )
        except FetchTokenError:
            raise no_store() from None
        if asked is None:
            raise Refused("rate_limited", "too many device logins wait", retry_after_s=_FULL_FOR_S)
        self._gate.expect(call.peer, asked.device.fingerprint(), call.ticks_s)
        document: dict[str, object] = {
            "device_auth_id": asked.device.reveal(),
            "user_code": asked.user_code.reveal(),
            "interval": _INTERVAL,
            "expires_in": ceil(asked.expires_at - call.now_s),
            "expires_at": to_rfc3339(asked.expires_at),
        }
        return answered(call, document)

    async def poll(self, call: Call) -> Response:
        """Say how a login goes; once it is approved, with its code and both halves of the PKCE pair."""
        request = await json_body(call, DevicePoll, _LARGEST)
        device = Secret(request.device_auth_id)
        told = progress(await self._found(call, device, Secret(request.user_code)), call.now_s)
        if told is Progress.PENDING:
            raise ProblemError("authorization_pending", _NOT_YET)
        if told is Progress.DENIED:
            raise ProblemError("access_denied", "the device login was denied")
        if told is Progress.OVER:
            raise ProblemError("expired_token", _OVER)
        code, verifier = self._devices.pair(device)
        self._gate.expect(call.peer, code.fingerprint(), call.ticks_s)
        document: dict[str, object] = {
            "authorization_code": code.reveal(),
            "code_challenge": challenge_of(verifier),
            "code_verifier": verifier.reveal(),
        }
        return answered(call, document)

    async def _found(self, call: Call, device: Secret, user_code: Secret) -> DeviceRequest | None:
        """Return the request asked after; an unknown one costs its address.

        Raises:
            ProblemError: it cannot be said now, so the asker is to come again.
        """
        try:
            trial = self._gate.trial(call.peer, device.fingerprint(), call.ticks_s)
            self._gate.poll(device.fingerprint(), call.ticks_s)
            found = await self._devices.find(device, user_code)
        except Refused:
            raise ProblemError("slow_down", "asked too often") from None
        except FetchTokenError:
            raise ProblemError(
                "authorization_pending", "the store does not answer, so nobody knows"
            ) from None
        if found is None:
            self._gate.failed(trial, call.ticks_s)
        return found
