"""The ``auth.json`` of a new login, as the Codex CLI writes it."""

from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret

__all__ = ["login_document"]

_CREDENTIALS = ("personal_access_token", "agent_identity", "bedrock_api_key", "bedrock_access_keys")
"""Top-level keys that were the file's credential, and are no more."""

_OF_A_LOGIN = ("oauth_provenance", "login_owner_id")
"""Keys that belong to the login that was there, not to the file."""


def login_document(  # noqa: PLR0913 - a record; every field is named at the call
    before: dict[str, object],
    *,
    access_token: Secret,
    refresh_token: Secret,
    id_token: Secret,
    account_id: str,
    owner_id: str,
    provenance: tuple[str, str] | None,
    now_s: float,
) -> dict[str, object]:
    """Return the whole document; keys of the old one that nobody here knows are kept.

    Args:
        before: what the file held; empty for a new one.
        access_token: of the new login, as the two that follow.
        refresh_token: see there.
        id_token: see there.
        account_id: ``chatgpt_account_id``; without it Codex refuses to refresh.
        owner_id: 43 random characters, new with each login; Codex writes such and keeps them.
        provenance: issuer and client id where they are not OpenAI's own: where to refresh.
        now_s: epoch seconds of the login.
    """
    held = before.get("tokens")
    known = ("id_token", "access_token", "refresh_token", "account_id", *_OF_A_LOGIN)
    others = {key: value for key, value in held.items() if key not in known} if isinstance(held, dict) else {}
    tokens: dict[str, object] = {
        "id_token": id_token.reveal(),
        "access_token": access_token.reveal(),
        "refresh_token": refresh_token.reveal(),
        "account_id": account_id,
        **others,
        "login_owner_id": owner_id,
    }
    if provenance is not None:
        tokens["oauth_provenance"] = {"issuer": provenance[0], "client_id": provenance[1]}
    own = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens}
    kept = {key: value for key, value in before.items() if key not in (*own, *_CREDENTIALS)}
    return {**own, **kept, "last_refresh": to_rfc3339(now_s, micros=True)}
