"""An authorization code for tokens (RFC 6749 §4.1.3): the request and what its answer means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.errors import Denied, Malformed, Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import is_word
from fetchtoken.oauth.messages import JSON_HEADERS, error_code, parse_tokens

__all__ = ["FORM_HEADERS", "Approval", "NewTokens", "grant_body", "parse_grant"]

FORM_HEADERS = {**JSON_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}

_AGAIN = "start the login again"


@dataclass(frozen=True, slots=True)
class Approval:
    """A code that is good once, and what must come with it."""

    code: Secret
    verifier: Secret
    redirect_uri: str
    """The very one that the code was given out for."""


@dataclass(frozen=True, slots=True)
class NewTokens:
    """The three tokens of a new login, and whose they are."""

    access_token: Secret
    refresh_token: Secret
    id_token: Secret
    account_id: str
    user_id: str
    email: str
    plan_type: str

    @property
    def who(self) -> str:
        """Return the person in words: address and plan, as far as the tokens tell."""
        name = self.email or self.account_id
        return f"{name} (plan {self.plan_type})" if self.plan_type else name


def grant_body(approval: Approval, *, client_id: str) -> bytes:
    """Return the form that exchanges a code."""
    return urlencode(
        {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": approval.code.reveal(),
            "redirect_uri": approval.redirect_uri,
            "code_verifier": approval.verifier.reveal(),
        }
    ).encode()


def parse_grant(status: int, body: bytes) -> NewTokens:
    """Read the answer to that form: all three tokens must be in it, as Codex wants them.

    Raises:
        Unavailable: the code came too late or was used before; or the issuer cannot answer now.
        Denied: the issuer refuses the login.
        Malformed: 2xx, and a token is missing, or they do not say whose they are.
    """
    if not 200 <= status < 300:
        raise _refusal(status, error_code(body))
    tokens = parse_tokens(body)
    if tokens.access_token is None or tokens.refresh_token is None or tokens.id_token is None:
        raise Malformed("the issuer's answer lacks a token", hint=_AGAIN)
    identity = Claims(decode_claims(tokens.id_token.reveal()) or {})
    access = Claims(decode_claims(tokens.access_token.reveal()) or {})
    account_id = identity.account_id or access.account_id
    if not account_id:
        # Codex refuses to refresh a file that does not name its account.
        raise Malformed("the issuer's tokens do not say which account they belong to", hint=_AGAIN)
    return NewTokens(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        id_token=tokens.id_token,
        account_id=account_id,
        user_id=identity.user_id or access.user_id,
        email=identity.email or access.email,
        plan_type=identity.plan_type or access.plan_type,
    )


def _refusal(status: int, word: str) -> Denied | Unavailable:
    # What is no plain word may be anything, the code itself that was sent included.
    shown = f"status {status}, {word}" if is_word(word.replace("_", "-")) else f"status {status}"
    if word == "invalid_grant":
        return Unavailable("the login's code came too late, or was used before", hint=_AGAIN)
    if status >= 500 or status == 429:
        return Unavailable(f"the issuer gave no tokens for the login: {shown}", hint=_AGAIN)
    return Denied(f"the issuer refused the login: {shown}", hint=_AGAIN)
