"""What ``doctor`` asks of others: the broker who we are, the SSH host to let us in, anybody for the time."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from fetchtoken.commands.doctor_facts import Check
from fetchtoken.commands.doctor_host import failed, passed
from fetchtoken.domain.errors import ConfigError, Denied, FetchTokenError, Malformed, Unavailable
from fetchtoken.net.client import Response, request
from fetchtoken.net.url import Url, parse_url
from fetchtoken.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from fetchtoken.ssh.route import Leg

__all__ = ["check_broker", "check_clock", "check_issuer", "check_ssh"]

PATIENCE_S = 3.0
"""Longest wait for one peer."""

_SKEW_S = 60

_ISSUER = "https://auth.openai.com"


def check_broker(settings: Settings) -> tuple[list[Check], float | None]:
    """Ask the broker whose key this is; return the check, and its clock's lead over ours in seconds."""
    try:
        key = settings.api_key
        url = _whoami(settings.remote_url)
        headers = {"Accept": "application/json", "User-Agent": "codex-fetchtoken"}
        if key:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        answer = _get(url, settings, headers)
        if answer.status in (401, 403):
            raise Denied(f"{url.peer} refuses the key", hint="check CODEX_REMOTE_API_KEY")
        if answer.status >= 500:
            raise Unavailable(f"{url.peer} answers {answer.status}", hint="try again later")
        if answer.status != 200:
            raise Malformed(f"{url.peer} answers {answer.status}", hint="check CODEX_REMOTE_URL")
    except FetchTokenError as error:
        if isinstance(error, Unavailable):
            error.hint = error.hint or "check CODEX_REMOTE_URL, or try again later"
        return [failed("broker", error)], None
    return [passed("broker", f"{url.peer} takes the key")], _lead_s(answer)


def _whoami(remote_url: str) -> Url:
    url = parse_url(remote_url, "CODEX_REMOTE_URL")
    base = url.path.rstrip("/").removesuffix("/codex").rstrip("/")
    return url.with_path(f"{base}/v1/whoami")


def check_issuer(settings: Settings, issuer: str) -> float | None:
    """Return the lead of an issuer's clock over ours, or ``None`` where it did not say; sends no secret."""
    try:
        url = parse_url(settings.refresh_url_override or issuer or _ISSUER).with_path("/")
        return _lead_s(_get(url, settings, {"User-Agent": "codex-fetchtoken"}))
    except FetchTokenError:
        return None


def _get(url: Url, settings: Settings, headers: dict[str, str]) -> Response:
    return request(
        "GET",
        url,
        headers=headers,
        deadline_s=time.monotonic() + PATIENCE_S,
        ca_file=settings.ca_file or settings.codex_ca_certificate or None,
        client_cert=settings.client_cert or None,
        client_key=settings.client_key or None,
        environ=settings.environ,
    )


def _lead_s(answer: Response) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - time.time()
    except (TypeError, ValueError):
        return None


def check_clock(lead_s: float | None) -> Check:
    """Judge the clock: tokens that look expired, or alive, by a clock that is wrong."""
    if lead_s is None:
        return Check("clock", ok=None, detail="the clock: nobody could be asked for the time")
    if abs(lead_s) <= _SKEW_S:
        return passed("clock", f"the clock is right within {_SKEW_S} s")
    way = "behind" if lead_s > 0 else "ahead"
    error = ConfigError(f"the clock is {abs(int(lead_s))} s {way}", hint="timedatectl set-ntp true")
    return failed("clock", error)


def check_ssh(settings: Settings) -> list[Check]:
    """Go as far as into the SSH host, with its key checked, and run nothing there."""
    if not settings.ssh_host:
        return [
            failed("ssh", ConfigError("the source is ssh, and no host is set", hint="set CODEX_SSH_HOST"))
        ]
    import asyncio

    from fetchtoken.sources.ssh_ask import target_of
    from fetchtoken.ssh.errors import translated
    from fetchtoken.ssh.route import connected, itinerary, way_out

    target = target_of(settings)
    peer = target.peer

    async def knock(legs: tuple[Leg, ...], sock: socket) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S), connected(legs, sock):
                pass
        except TimeoutError as error:
            raise translated(error, peer, login="") from None

    try:
        legs = itinerary(target)
        with way_out(legs[0], time.monotonic() + PATIENCE_S) as sock:
            asyncio.run(knock(legs, sock))
    except FetchTokenError as error:
        if isinstance(error, Unavailable):
            error.hint = error.hint or "check CODEX_SSH_HOST, or try again later"
        return [failed("ssh", error)]
    return [passed("ssh", f"{peer} is known and lets us in")]
