"""What the sandbox issuer decides. Pure: the clock and randomness come in as arguments.

Rules, the strictest that RFC 9700 §4.14.2 allows:

- a refresh token is good once; the answer to its use carries the next one,
- the rotation is committed here, before anybody has seen the answer,
- a spent token that comes again kills its family: refresh and access tokens,
- a token works only for the OAuth client to which it was given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from broker.sandbox.answers import Reply, Shape, error_reply, json_reply, usage_document
from broker.sandbox.logins import Login, Logins
from broker.sandbox.tokens import TokenMaker
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

__all__ = ["LIFE_S", "Decision", "Minted", "StrictIssuer", "Wish", "refused"]

LIFE_S = 864_000
"""Life of an access token in seconds: ten days, as OpenAI's."""

_STATUS = {
    "access_denied": 400,
    "authorization_pending": 403,
    "expired_request": 400,
    "expired_token": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "invalid_request": 400,
    "invalid_scope": 400,
    "refresh_token_invalidated": 401,
    "refresh_token_reused": 401,
    "slow_down": 400,
    "unknown_code": 404,
    "unsupported_grant_type": 400,
    "unsupported_response_type": 400,
}


class Wish(BaseModel):
    """What a new login shall look like; empty texts are filled with random ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    email: str = "sandbox@example.com"
    plan_type: str = "pro"
    account_id: str = ""
    user_id: str = ""
    client_id: str = Field(default=OAUTH_CLIENT_ID, min_length=1)
    life_s: int = Field(default=0, ge=0)
    """Seconds that its access tokens live; 0 for the issuer's own setting."""
    age_s: int = Field(default=0, ge=0)
    """Seconds since its first tokens were issued, so that an expired one can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new login and the ``auth.json`` that Codex would have written for it."""

    login_id: str
    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about one request."""

    text: str
    """As in the log: ``rotated``, ``refused: CODE``, …"""
    status: int = 200
    code: str = ""
    fingerprint: str = ""
    login: Login | None = None
    generation: int | None = None
    document: dict[str, Any] = field(default_factory=dict, repr=False)

    def reply(self, shape: Shape) -> Reply:
        """Return the honest answer, an error in the given shape."""
        if self.code:
            return error_reply(self.status, self.code, shape)
        return json_reply(self.status, self.document)


class StrictIssuer:
    """The authorization server without its socket.

    Args:
        logins: what it knows; empty for a new one.
        maker: makes its tokens.
        life_s: seconds that access tokens of new logins live.
    """

    def __init__(self, logins: Logins, maker: TokenMaker, *, life_s: int = LIFE_S) -> None:
        self.logins = logins
        self.life_s = life_s
        self._maker = maker

    def mint(self, wish: Wish, now_s: float) -> Minted:
        """Log somebody in and return what only they get to see.

        Args:
            wish: identity and life.
            now_s: epoch seconds.
        """
        login = Login(
            login_id=self._maker.text(12),
            client_id=wish.client_id,
            account_id=wish.account_id or str(UUID(bytes=self._maker.raw(16), version=4)),
            user_id=wish.user_id or "user-" + self._maker.text(12),
            email=wish.email,
            plan_type=wish.plan_type,
            life_s=wish.life_s or self.life_s,
        )
        issued_at = int(now_s) - wish.age_s
        access, refresh = self._maker.access(login, issued_at), self._maker.refresh()
        login.refresh_fingerprints.append(refresh.fingerprint())
        login.access_expiry[access.fingerprint()] = issued_at + login.life_s
        self.logins.add(login)
        document = {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": {
                "id_token": self._maker.identity(login, issued_at).reveal(),
                "access_token": access.reveal(),
                "refresh_token": refresh.reveal(),
                "account_id": login.account_id,
                # Whoever reads the file refreshes here without being told (codex-cli's own rule).
                "oauth_provenance": {"issuer": self._maker.issuer_url, "client_id": login.client_id},
                "login_owner_id": self._maker.text(),
            },
            "last_refresh": to_rfc3339(issued_at),
        }
        return Minted(login_id=login.login_id, document=document)

    def look(self, fields: Mapping[str, object], key: str = "refresh_token") -> Decision:
        """Return whose token it is, without judging or changing anything."""
        token = fields.get(key)
        if not isinstance(token, str) or not token:
            return Decision(text="not processed")
        fingerprint = Secret(token).fingerprint()
        login, generation = self.logins.by_refresh(fingerprint) or (None, None)
        login = login or self.logins.by_access(fingerprint)
        return Decision(text="not processed", fingerprint=fingerprint, login=login, generation=generation)

    def exchange(
        self,
        fields: Mapping[str, object],
        now_s: float,
        *,
        keeps_refresh: bool = False,
        stranger: bool = False,
    ) -> Decision:
        """Judge ``grant_type=refresh_token`` (RFC 6749 §6) and commit what follows from it.

        Args:
            fields: the request's body; unknown fields are ignored.
            now_s: epoch seconds.
            keeps_refresh: answer without a new refresh token; the old one stays good.
            stranger: put another account's claims into the tokens.
        """
        seen = self.look(fields)
        login, code = seen.login, self._complaint(fields, seen)
        if login is None or code:
            if login is not None and code == "refresh_token_reused":
                login.revoked = "a spent refresh token was used again"
                return refused(seen, code, text="reused: family revoked")
            return refused(seen, code)
        shown = login
        if stranger:
            shown = replace(login, account_id=self._maker.text(12), user_id="user-" + self._maker.text(12))
        access, issued_at = self._maker.access(shown, int(now_s)), int(now_s)
        document: dict[str, Any] = {
            "access_token": access.reveal(),
            "id_token": self._maker.identity(shown, issued_at).reveal(),
            "token_type": "Bearer",
            "expires_in": login.life_s,
            "scope": "openid profile email offline_access",
        }
        spare = Secret("") if keeps_refresh else self._maker.refresh()
        if spare:
            document["refresh_token"] = spare.reveal()
        self.logins.renew(
            login,
            refresh=spare.fingerprint() if spare else "",
            access=access.fingerprint(),
            expires_at=issued_at + login.life_s,
            now_s=now_s,
        )
        return replace(seen, text="rotated" if spare else "renewed", document=document)

    def revoke(self, fields: Mapping[str, object]) -> Decision:
        """Revoke the family of a refresh or access token (RFC 7009); an unknown token is no error."""
        seen = self.look(fields, "token")
        if not seen.fingerprint:
            return refused(seen, "invalid_request")
        if not self.knows_client(fields.get("client_id")):
            return refused(seen, "invalid_client")
        if seen.login is None:
            return replace(seen, text="answered")
        if seen.login.client_id != fields.get("client_id"):
            return refused(seen, "invalid_grant")
        seen.login.revoked = seen.login.revoked or "revoked by its holder"
        return replace(seen, text="revoked")

    def usage(self, bearer: Secret, now_s: float) -> Decision:
        """Answer ``GET /wham/usage``: 401 for an unknown, revoked or expired access token."""
        fingerprint = bearer.fingerprint() if bearer else ""
        login = self.logins.by_access(fingerprint)
        seen = Decision(text="answered", fingerprint=fingerprint, login=login)
        if login is None:
            return refused(seen, "token_invalid", status=401)
        if login.revoked:
            return refused(seen, "token_revoked", status=401)
        if login.access_expiry[fingerprint] <= now_s:
            return refused(seen, "token_expired", status=401)
        return replace(seen, document=usage_document(login, now_s))

    def _complaint(self, fields: Mapping[str, object], seen: Decision) -> str:
        """Return the code of what is wrong with an exchange request, or an empty text."""
        if fields.get("grant_type") is None or not seen.fingerprint:
            return "invalid_request"
        if fields["grant_type"] != "refresh_token":
            return "unsupported_grant_type"
        if not self.knows_client(fields.get("client_id")):
            return "invalid_client"
        if seen.login is None or seen.generation is None or seen.login.client_id != fields["client_id"]:
            return "invalid_grant"
        if seen.login.revoked:
            return "refresh_token_invalidated"
        return "" if seen.generation == seen.login.generation else "refresh_token_reused"

    def knows_client(self, client_id: object) -> bool:
        """Tell whether an OAuth client may ask: Codex's own, or one that has a login here."""
        return client_id == OAUTH_CLIENT_ID or any(client_id == login.client_id for login in self.logins)


def refused(seen: Decision, code: str, *, text: str = "", status: int = 0) -> Decision:
    """Return the refusal of a request.

    Args:
        seen: whose it was.
        code: the error's word, which also gives the status.
        text: for the log, where it says more than the word.
        status: another status than the word's.
    """
    return replace(seen, text=text or f"refused: {code}", code=code, status=status or _STATUS[code])
