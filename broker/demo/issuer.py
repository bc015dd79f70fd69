"""The sandbox issuer's control routes, as the demo uses them."""

import json
import urllib.request
from http.client import HTTPException
from typing import Any

from broker.demo.world import Failed, World

__all__ = ["control", "requests_seen", "usage_status"]

_PATIENCE_S = 60.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The issuer is on this machine, whatever proxies the environment names."""


def control(world: World, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask a control route and return its JSON object.

    Raises:
        Failed: the issuer does not answer, or refuses.
    """
    request = urllib.request.Request(  # noqa: S310 - http on loopback, the sandbox's own address
        f"{world.issuer_url}/sandbox{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {world.issuer_control}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with _direct.open(request, timeout=_PATIENCE_S) as answer:
            return dict(json.load(answer))
    except (OSError, HTTPException, ValueError) as error:
        raise Failed(f"the issuer does not do {method} {path}: {type(error).__name__}") from None


def requests_seen(world: World) -> list[dict[str, Any]]:
    """Return the issuer's log: every request, by fingerprint of its token."""
    return list(control(world, "GET", "/log")["requests"])


def usage_status(world: World, token: str) -> int:
    """Return how the issuer's backend answers to an access token: 200, or 401 where it is dead."""
    request = urllib.request.Request(  # noqa: S310 - as above
        f"{world.issuer_url}/backend-api/wham/usage", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with _direct.open(request, timeout=_PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, HTTPException) as error:
        raise Failed(f"the issuer's backend does not answer: {type(error).__name__}") from None
