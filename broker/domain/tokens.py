"""Read what a set of tokens says of itself: whose it is, how long it lives, when it is due."""

from broker.domain.records import Account, Tokens
from broker.domain.schedule import refresh_after
from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import REFRESH_AT, Token

__all__ = ["read_tokens", "token_of"]


def read_tokens(  # noqa: PLR0913 - three tokens and what cannot be read from them
    access_token: Secret,
    refresh_token: Secret | None,
    id_token: Secret | None,
    *,
    now_s: float,
    jitter: float,
    part: float = REFRESH_AT,
    account_id: str = "",
    email: str = "",
    expires_at: int | None = None,
    answered: bool = False,
) -> Tokens:
    """Return tokens with identity and times.

    The identity is taken from the id token first, as Codex does, then from the access token.

    Args:
        access_token: the bearer; may be opaque.
        refresh_token: ``None`` or empty where there is none.
        id_token: ``None`` or empty where there is none.
        now_s: epoch seconds; stands in for a missing ``iat``.
        jitter: chance for the due time, from -1 to 1.
        part: part of the life after which it is due.
        account_id: what the file said beside the tokens; fills in for a missing claim.
        email: the same.
        expires_at: the same, epoch seconds.
        answered: the issuer gave these tokens just now, in an exchange or a login.
    """
    access = Claims(decode_claims(access_token.reveal()) or {})
    identity = Claims((decode_claims(id_token.reveal()) if id_token else None) or {})
    issued_at = int(now_s) if access.iat is None else access.iat
    ends_at = expires_at if access.exp is None else access.exp
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token or None,
        id_token=id_token or None,
        account_id=identity.account_id or access.account_id or account_id,
        user_id=identity.user_id or access.user_id,
        email=identity.email or access.email or email,
        plan_type=identity.plan_type or access.plan_type,
        issued_at=issued_at,
        expires_at=ends_at,
        refresh_after=refresh_after(
            issued_at, ends_at, jitter=jitter, part=part, received_at=now_s if answered else None
        ),
    )


def token_of(account: Account) -> Token:
    """Return an account's access token with what is known of it."""
    return Token(
        access_token=account.access_token,
        expires_at=account.expires_at,
        issued_at=account.issued_at,
        account_id=account.account_id,
        id_token=account.id_token,
    )
