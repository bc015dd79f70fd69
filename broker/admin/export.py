"""An account as the ``auth.json`` that ``codex login`` would have written, refresh token included."""

from typing import Any

from broker.domain.records import Account
from broker.domain.tokens import token_of
from fetchtoken.formats.codex import access_only_document
from fetchtoken.oauth.messages import ISSUER, OAUTH_CLIENT_ID

__all__ = ["exported_document"]


def exported_document(account: Account, *, now_s: float) -> dict[str, Any]:
    """Return the whole login as Codex keeps it; it holds secrets.

    The issuer is named where it is another than Codex's own, so that the login is never sent elsewhere.
    """
    document: dict[str, Any] = access_only_document(token_of(account), now_s=now_s)
    tokens: dict[str, Any] = {**document["tokens"], "refresh_token": account.refresh_token.reveal()}
    if (account.issuer, account.client_id) != (ISSUER, OAUTH_CLIENT_ID):
        tokens["oauth_provenance"] = {"issuer": account.issuer, "client_id": account.client_id}
    return {**document, "auth_mode": "chatgpt", "tokens": tokens}
