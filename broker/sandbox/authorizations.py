"""Who may log in, by browser and by device: the sandbox issuer's rules. Pure, as ``issuer``.

Stricter than the real one: the request's every field is checked, a code lives one minute and works
once with its own client, redirect and verifier; used again it ends the login that it brought
(RFC 6749 §4.1.2). A code that was tried with anything wrong is burned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from broker.sandbox.issuer import Decision, StrictIssuer, Wish, refused
from broker.sandbox.tokens import TokenMaker
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.browser import PORTS, redirect_uri
from fetchtoken.oauth.login.pkce import challenge_of

__all__ = ["CODE_LIFE_S", "REQUEST_LIFE_S", "Asked", "Authorizations"]

CODE_LIFE_S = 60
"""Seconds for which an authorization code is good; RFC 6749 allows ten minutes."""

REQUEST_LIFE_S = 900
"""Seconds that a person has to decide."""

_CHALLENGE_SIZE = 43
_SHORTEST_STATE = 22
_VERIFIER_SIZES = range(43, 129)
_BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A login that waits for a person's decision in the browser."""

    request_id: str
    client_id: str
    redirect_uri: str
    challenge: str
    state: str = field(repr=False)
    at_s: float

    def answer(self, **fields: str) -> str:
        """Return where the browser goes next."""
        return f"{self.redirect_uri}?{urlencode({**fields, 'state': self.state})}"


@dataclass(slots=True, kw_only=True)
class _Code:
    client_id: str
    redirect_uri: str
    challenge: str
    wish: Wish
    at_s: float
    used: bool = False
    login_id: str = ""


class Authorizations:
    """Decisions about logins, before there are tokens.

    Args:
        issuer: makes the logins.
        maker: makes codes and ids.
    """

    def __init__(self, issuer: StrictIssuer, maker: TokenMaker) -> None:
        self._issuer = issuer
        self._maker = maker
        self._asked: dict[str, Asked] = {}
        self._codes: dict[str, _Code] = {}

    def ask(self, fields: Mapping[str, str], now_s: float) -> Asked | Decision:
        """Judge ``GET /oauth/authorize``; what is wrong is a decision.

        Args:
            fields: the query; a field that came twice is left out, and so is missing.
            now_s: epoch seconds.
        """
        client_id, target = fields.get("client_id", ""), fields.get("redirect_uri", "")
        if not self._issuer.knows_client(client_id):
            return refused(Decision(text=""), "invalid_client", status=400)
        if target not in [redirect_uri(port) for port in PORTS]:
            return refused(Decision(text=""), "invalid_request")
        if code := _complaint(fields):
            where = f"{target}?{urlencode({'error': code, 'state': fields.get('state', '')})}"
            return replace(refused(Decision(text=""), code), status=303, document={"location": where})
        asked = Asked(
            request_id=self._maker.text(16),
            client_id=client_id,
            redirect_uri=target,
            challenge=fields["code_challenge"],
            state=fields["state"],
            at_s=now_s,
        )
        self._asked[asked.request_id] = asked
        return asked

    def decide(self, request_id: str, wish: Wish | None, now_s: float) -> Decision:
        """Judge a person's word on a login; each is decided once.

        Args:
            request_id: what the page carried.
            wish: who logs in, or ``None`` for a denial.
            now_s: epoch seconds.

        Returns:
            The decision, with ``location`` in its document where the browser is sent back.
        """
        asked = self._asked.pop(request_id, None)
        if asked is None or now_s - asked.at_s >= REQUEST_LIFE_S:
            return refused(Decision(text=""), "expired_request")
        if wish is None:
            where = asked.answer(error="access_denied", error_description="The person said no.")
            return Decision(text="denied", status=303, document={"location": where})
        code = self.give_code(asked.client_id, asked.redirect_uri, asked.challenge, wish, now_s)
        where = asked.answer(code=code.reveal())
        fingerprint = code.fingerprint()
        return Decision(text="approved", status=303, fingerprint=fingerprint, document={"location": where})

    def give_code(self, client_id: str, target: str, challenge: str, wish: Wish, now_s: float) -> Secret:
        """Return a new authorization code."""
        code = Secret("ac_" + self._maker.text())
        wish = wish.model_copy(update={"client_id": client_id})
        self._codes[code.fingerprint()] = _Code(
            client_id=client_id, redirect_uri=target, challenge=challenge, wish=wish, at_s=now_s
        )
        return code

    def redeem(self, fields: Mapping[str, object], now_s: float) -> Decision:
        """Judge ``grant_type=authorization_code`` (RFC 6749 §4.1.3) and log in whom it stands for.

        Args:
            fields: the request's form.
            now_s: epoch seconds.
        """
        wanted = [fields.get(key) for key in ("code", "client_id", "redirect_uri", "code_verifier")]
        if not all(isinstance(value, str) and value for value in wanted):
            return refused(self.look(fields), "invalid_request")
        _, client_id, target, verifier = map(str, wanted)
        seen = self.look(fields)
        if not self._issuer.knows_client(client_id):
            return refused(seen, "invalid_client")
        code = self._codes.get(seen.fingerprint)
        if code is None:
            return refused(seen, "invalid_grant")
        if code.used:
            if seen.login is not None:
                seen.login.revoked = seen.login.revoked or "its authorization code was used again"
            return refused(seen, "invalid_grant", text="code used again: login revoked")
        code.used = True
        if wrong := _mismatch(code, client_id, target, verifier, now_s):
            return refused(seen, "invalid_grant", text=f"refused: invalid_grant, {wrong}")
        minted = self._issuer.mint(code.wish, now_s)
        code.login_id = minted.login_id
        login = self._issuer.logins.get(minted.login_id)
        return replace(
            seen, text="logged in", login=login, generation=0, document=_answer(minted.document, login)
        )

    def look(self, fields: Mapping[str, object]) -> Decision:
        """Return whose code it is, without judging or changing anything."""
        value = fields.get("code")
        if not isinstance(value, str) or not value:
            return Decision(text="not processed")
        fingerprint = Secret(value).fingerprint()
        code = self._codes.get(fingerprint)
        login = self._issuer.logins.get(code.login_id) if code is not None else None
        return Decision(text="not processed", fingerprint=fingerprint, login=login)


def _complaint(fields: Mapping[str, str]) -> str:
    """Return the error word for a request that may be answered at its redirect, or an empty text."""
    if fields.get("response_type") != "code":
        return "unsupported_response_type"
    challenge = fields.get("code_challenge", "")
    proves = len(challenge) == _CHALLENGE_SIZE and _BASE64URL.issuperset(challenge)
    if not proves or fields.get("code_challenge_method") != "S256":
        return "invalid_request"
    if len(fields.get("state", "")) < _SHORTEST_STATE:
        return "invalid_request"
    return "" if _SCOPES.issubset(fields.get("scope", "").split()) else "invalid_scope"


def _mismatch(code: _Code, client_id: str, target: str, verifier: str, now_s: float) -> str:
    """Say what does not fit a code, or return an empty text."""
    if now_s - code.at_s >= CODE_LIFE_S:
        return "expired"
    if client_id != code.client_id:
        return "another client"
    if target != code.redirect_uri:
        return "another redirect_uri"
    fits = len(verifier) in _VERIFIER_SIZES and challenge_of(verifier) == code.challenge
    return "" if fits else "another code_verifier"


def _answer(document: Mapping[str, Any], login: Any) -> dict[str, Any]:
    tokens = document["tokens"]
    return {
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "id_token": tokens["id_token"],
        "token_type": "Bearer",
        "expires_in": login.life_s,
        "scope": "openid profile email offline_access",
    }
