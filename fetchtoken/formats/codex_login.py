"""The Codex CLI's own file as one format among others, and as what all others are rendered to."""

from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import AuthFile, access_only_document, check_login, id_token_for
from fetchtoken.formats.login import Login

__all__ = ["KEY", "access_only", "codex_document", "login_of", "read", "recognises"]

KEY = "codex"
_KEYS = (
    "tokens",
    "auth_mode",
    "OPENAI_API_KEY",
    "personal_access_token",
    "agent_identity",
    "bedrock_api_key",
    "bedrock_access_keys",
)
_LATEST_S = 253_402_300_800.0
"""The end of the year 9999: no RFC 3339 text names a later time."""


def recognises(document: dict[str, object]) -> bool:
    """Tell whether it is a Codex file, of whichever kind of credential."""
    return any(key in document for key in _KEYS)


def read(document: dict[str, object], name: str) -> list[Login]:
    """Return its one login.

    Raises:
        LoginRequired: it holds another kind of credential, named in the message.
        NotFound: it holds none.
    """
    auth = AuthFile(document, name)
    check_login(auth)
    return [login_of(auth)]


def login_of(auth: AuthFile) -> Login:
    """Return the login of a parsed file."""
    return Login(
        form=KEY,
        where=auth.name,
        access_token=auth.access_token,
        refresh_token=auth.refresh_token,
        id_token=auth.id_token,
        account_id=auth.account_id,
        last_refresh=auth.last_refresh,
        provenance=(auth.provenance_issuer, auth.provenance_client_id),
    )


def access_only(document: dict[str, object], token: Token, now_s: float) -> dict[str, object]:
    """Return the file that Codex uses with that access token and can never refresh from.

    An API key beside the login stays: with this ``auth_mode`` Codex does not look at it.
    """
    made = access_only_document(token, now_s=now_s)
    return {**document, **made, "OPENAI_API_KEY": document.get("OPENAI_API_KEY")}


def codex_document(login: Login, *, now_s: float) -> dict[str, object]:
    """Return a login as an ``auth.json`` that Codex accepts; access-only where it cannot be refreshed.

    Args:
        login: of any format.
        now_s: epoch seconds, for a login without any time of its own.
    """
    token = login.token()
    if not login.refresh_token:
        return access_only_document(token, now_s=now_s)
    times = [at for at in (login.last_refresh, login.issued_at) if at is not None and 0 <= at < _LATEST_S]
    tokens: dict[str, object] = {
        "id_token": id_token_for(token),
        "access_token": login.access_token.reveal(),
        "refresh_token": login.refresh_token.reveal(),
        "account_id": login.account_id,
    }
    if all(login.provenance):
        tokens["oauth_provenance"] = dict(zip(("issuer", "client_id"), login.provenance, strict=True))
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": to_rfc3339([*times, now_s][0]),
    }
