"""``GET /healthz`` and ``GET /readyz``: a word for probes, and nothing for the curious."""

from aiohttp import hdrs
from aiohttp.web import Response

from broker.api.call import Call
from broker.api.ports import Health
from broker.api.problems import NO_STORE, X_REQUEST_ID, ProblemError

__all__ = ["HealthHandlers"]


class HealthHandlers:
    """Answers probes.

    Args:
        health: knows the daemon's own troubles; the issuer is none of them.
    """

    def __init__(self, health: Health) -> None:
        self._health = health

    async def healthz(self, call: Call) -> Response:
        """Return 200 for as long as requests are answered at all."""
        return _status(call)

    async def readyz(self, call: Call) -> Response:
        """Return 200 when tokens can be kept and served."""
        troubles = self._health.troubles()
        if troubles:
            detail = "the broker cannot work; its log says why"
            raise ProblemError(
                "sealed" if "seal" in troubles else "unavailable", detail, {"Retry-After": "5"}
            )
        return _status(call)


def _status(call: Call) -> Response:
    headers = {**NO_STORE, hdrs.CONTENT_TYPE: "application/json", X_REQUEST_ID: call.request_id}
    return Response(body=b'{"status":"ok"}', headers=headers)
