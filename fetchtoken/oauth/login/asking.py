"""What a login asks the issuer: one request at a time, and nothing that spends a code is sent twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from fetchtoken.domain.errors import ConfigError, Malformed, Unavailable, Unsafe
from fetchtoken.net.client import Response, request
from fetchtoken.net.errors import NoAnswer, NotSent
from fetchtoken.net.url import parse_url
from fetchtoken.oauth.login import device, grant
from fetchtoken.oauth.login.device import DeviceCode, Poll
from fetchtoken.oauth.login.grant import Approval, NewTokens
from fetchtoken.oauth.messages import JSON_HEADERS

__all__ = ["Issuer", "check_issuer"]

_LIMIT_S = 15.0
_SLOWER_S = 5.0
_AGAIN = "start the login again"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where a login is made, and how it is reached."""

    url: str
    """Without a slash at the end."""
    client_id: str
    ca_file: str
    """PEM file of the only authorities to trust, or an empty text."""
    environ: Mapping[str, str]
    """Where proxies are looked up."""

    def device_code(self) -> DeviceCode:
        """Begin a device login.

        Raises:
            Unavailable: the issuer cannot be reached, or gives no code.
            Malformed: it gave something else.
        """
        answer = self._post(device.USERCODE_PATH, JSON_HEADERS, device.usercode_body(self.client_id))
        return device.read_usercode(answer.status, answer.body)

    def poll(self, code: DeviceCode) -> Poll:
        """Ask whether somebody approved; an issuer that cannot be reached has decided nothing.

        Raises:
            Denied, Unavailable, Malformed: as :func:`fetchtoken.oauth.login.device.read_poll`.
        """
        try:
            answer = self._post(device.TOKEN_PATH, JSON_HEADERS, device.poll_body(code))
        except (NotSent, NoAnswer):
            return Poll(slower_s=_SLOWER_S)
        return device.read_poll(answer.status, answer.body)

    def redeem(self, approval: Approval) -> NewTokens:
        """Exchange a code, once. The caller has a place for the answer ready.

        Raises:
            Unavailable: nothing was sent, or no whole answer came; the code is lost.
            Denied, Malformed: as :func:`fetchtoken.oauth.login.grant.parse_grant`.
        """
        body = grant.grant_body(approval, client_id=self.client_id)
        try:
            answer = self._post("/oauth/token", grant.FORM_HEADERS, body)
        except NoAnswer as error:
            raise Unavailable(f"the login's end is not known: {error.message}", hint=_AGAIN) from None
        try:
            return grant.parse_grant(answer.status, answer.body)
        except Malformed:
            if answer.complete:
                raise
            raise Unavailable("the issuer's answer was cut off, and the login with it", hint=_AGAIN) from None

    def _post(self, path: str, headers: dict[str, str], body: bytes) -> Response:
        try:
            return request(
                "POST",
                self.url + path,
                headers=headers,
                body=body,
                deadline_s=time.monotonic() + _LIMIT_S,
                ca_file=self.ca_file or None,
                environ=self.environ,
            )
        except (NotSent, NoAnswer) as error:
            error.hint = error.hint or _AGAIN
            raise


def check_issuer(text: str, what: str) -> str:
    """Return an issuer's URL without a slash at its end.

    Args:
        text: as configured.
        what: the setting it comes from, for the message.

    Raises:
        ConfigError: it is no http or https URL.
        Unsafe: plain http to another machine.
    """
    url = parse_url(text, what)
    if url.scheme not in ("http", "https"):
        raise ConfigError(f"{what} is not an http or https URL", hint=f"unset or correct {what}")
    if url.scheme == "http" and not url.is_local:
        raise Unsafe(f"{what} is plain http to another host", hint="use https")
    return text.rstrip("/")
