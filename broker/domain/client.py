"""What a client may do: scopes, grants, expiry, revocation. Pure rules, one answer each."""

from typing import Literal

from broker.domain.records import Account, Client

__all__ = ["SCOPES", "Refusal", "choose_account", "decide", "is_live"]

SCOPES = frozenset({"token", "quota", "admin"})
"""All there are; a client has ``token`` unless it was made with others."""

Refusal = Literal[
    "invalid_token", "insufficient_scope", "not_granted", "account_disabled", "account_required"
]
"""Problem codes of the HTTP API: the first is 401, the last 400, the others 403."""


def is_live(client: Client, now_s: float) -> bool:
    """Tell whether a client's key still counts: neither revoked nor expired."""
    return client.revoked_at is None and (client.expires_at is None or now_s < client.expires_at)


def decide(client: Client, account: Account | None, scope: str, now_s: float) -> Refusal | None:
    """Return why a client may not use an account, or ``None`` when it may.

    Whoever has no grant learns nothing of the account: an unknown one is ``not_granted`` too.

    Args:
        client: who asks; its key has been verified.
        account: what is asked for; ``None`` when there is no account of that name.
        scope: what the request needs: ``token``, ``quota`` or ``admin``.
        now_s: epoch seconds.
    """
    if not is_live(client, now_s):
        return "invalid_token"
    if scope not in client.scopes:
        return "insufficient_scope"
    if account is None or account.id not in client.accounts:
        return "not_granted"
    return "account_disabled" if account.disabled else None


def choose_account(client: Client) -> int | None:
    """Return the account id meant by a request that names none: the only grant, else the default.

    Returns:
        ``None`` where neither decides: the answer is ``account_required``. A default that is no
        longer granted does not count.
    """
    if len(client.accounts) == 1:
        return next(iter(client.accounts))
    return client.default_account if client.default_account in client.accounts else None
