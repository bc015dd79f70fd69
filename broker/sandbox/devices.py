"""The device flow as OpenAI has it: codes, their pages' decisions, polls. Pure, as ``issuer``.

The real one does not say how it refuses; here a denied or expired code, and one that was handed out
already, end the polling with 400, and whoever polls faster than told hears ``slow_down``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from broker.sandbox.authorizations import Authorizations
from broker.sandbox.issuer import Decision, StrictIssuer, Wish, refused
from broker.sandbox.tokens import TokenMaker
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.device import LIFE_S, redirect_uri
from fetchtoken.oauth.login.pkce import challenge_of

__all__ = ["INTERVAL_S", "Devices", "written"]

INTERVAL_S = 5
"""Seconds between two polls, unless the sandbox is told otherwise."""

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters that make no words and are not mistaken for digits (RFC 8628 §6.1)."""

_LETTERS = 8
_EARLY_S = 0.25
"""By so much a poll may be early: networks are not even."""


@dataclass(slots=True, kw_only=True)
class _Device:
    user_code: str
    client_id: str
    at_s: float
    interval_s: int
    wish: Wish | None = None
    denied: bool = False
    handed_out: bool = False
    polled_at_s: float = 0.0


class Devices:
    """Logins of programs that have no browser.

    Args:
        issuer: knows the clients.
        authorizations: gives the codes.
        maker: makes ids and verifiers.
        url: returns the issuer's own address.
    """

    def __init__(
        self, issuer: StrictIssuer, authorizations: Authorizations, maker: TokenMaker, url: Callable[[], str]
    ) -> None:
        self._issuer = issuer
        self._authorizations = authorizations
        self._maker = maker
        self._url = url
        self._devices: dict[str, _Device] = {}
        self.interval_s = INTERVAL_S

    def begin(self, fields: Mapping[str, object], now_s: float) -> Decision:
        """Judge ``POST …/deviceauth/usercode``: a new pair of codes for a client that is known."""
        client_id = fields.get("client_id")
        if not isinstance(client_id, str) or not client_id:
            return refused(Decision(text=""), "invalid_request")
        if not self._issuer.knows_client(client_id):
            return refused(Decision(text=""), "invalid_client")
        device_auth_id = Secret("deviceauth_" + self._maker.text())
        user_code = written("".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._maker.raw(_LETTERS)))
        self._devices[device_auth_id.fingerprint()] = _Device(
            user_code=user_code, client_id=client_id, at_s=now_s, interval_s=self.interval_s
        )
        document = {
            "device_auth_id": device_auth_id.reveal(),
            "user_code": user_code,
            "interval": str(self.interval_s),
        }
        return Decision(text="device code given", fingerprint=device_auth_id.fingerprint(), document=document)

    def decide(self, user_code: str, wish: Wish | None, now_s: float) -> Decision:
        """Judge a person's word on a code; each is decided once.

        Args:
            user_code: as it was typed.
            wish: who logs in, or ``None`` for a denial.
            now_s: epoch seconds.
        """
        found = [each for each in self._devices.items() if each[1].user_code == written(user_code)]
        fingerprint, device = found[0] if found else ("", None)
        seen = Decision(text="", fingerprint=fingerprint)
        if device is None or device.wish is not None or device.denied:
            return refused(seen, "unknown_code")
        if now_s - device.at_s >= LIFE_S:
            return refused(seen, "expired_token")
        device.wish, device.denied = wish, wish is None
        return replace(seen, text="denied" if device.denied else "approved")

    def poll(self, fields: Mapping[str, object], now_s: float) -> Decision:
        """Judge ``POST …/deviceauth/token``: 403 while nobody decided, then the code, once."""
        secret, user_code = fields.get("device_auth_id"), fields.get("user_code")
        if not isinstance(secret, str) or not isinstance(user_code, str) or not secret:
            return refused(Decision(text=""), "invalid_request")
        seen = Decision(text="", fingerprint=Secret(secret).fingerprint())
        device = self._devices.get(seen.fingerprint)
        if device is None or device.user_code != user_code:
            return refused(seen, "unknown_code")
        early = device.polled_at_s and now_s - device.polled_at_s < device.interval_s - _EARLY_S
        device.polled_at_s = now_s
        if early:
            return refused(seen, "slow_down")
        if device.denied:
            return refused(seen, "access_denied")
        if device.handed_out or now_s - device.at_s >= LIFE_S:
            return refused(seen, "expired_token")
        if device.wish is None:
            return replace(refused(seen, "authorization_pending"), text="pending")
        device.handed_out = True
        return replace(seen, text="code given", document=self._code(device, device.wish, now_s))

    def _code(self, device: _Device, wish: Wish, now_s: float) -> dict[str, str]:
        verifier = self._maker.text(64)
        challenge, target = challenge_of(verifier), redirect_uri(self._url())
        code = self._authorizations.give_code(device.client_id, target, challenge, wish, now_s)
        return {
            "authorization_code": code.reveal(),
            "code_challenge": challenge,
            "code_verifier": verifier,
        }


def written(user_code: str) -> str:
    """Return a code as it is written, however it was typed: ``bcdf ghjk`` is ``BCDF-GHJK``."""
    letters = "".join(char for char in user_code.upper() if char.isalnum())
    return f"{letters[:4]}-{letters[4:]}"
