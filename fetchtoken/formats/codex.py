"""The Codex CLI's ``auth.json``: what it holds, and the access-only form of it.

Field rules were observed with the real binary: ``id_token`` must have the shape of a JWT,
the ``refresh_token`` key must exist (it may be empty), ``account_id`` must be there or every
refresh is refused, and a missing ``last_refresh`` makes Codex send no bearer at all.
"""

from fetchtoken.domain.claims import Claims, decode_claims, unsigned_jwt
from fetchtoken.domain.errors import LoginRequired, Malformed, NotFound
from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token

__all__ = [
    "ACCESS_ONLY",
    "AuthFile",
    "access_only_document",
    "check_login",
    "email_of",
    "id_token_for",
    "identity",
    "is_word",
    "parse_auth_file",
    "rotated_document",
    "secret_at",
    "table_at",
    "text_at",
]

_AUTH = "https://api.openai.com/auth"
ACCESS_ONLY = "chatgptAuthTokens"
"""The ``auth_mode`` with which Codex never refreshes, but re-reads the file on a 401."""

_OTHER_KINDS = {
    "apikey": "an API key",
    "personalAccessToken": "a personal access token",
    "agentIdentity": "an agent identity",
    "bedrockApiKey": "a Bedrock API key",
    "bedrockAccessKeys": "Bedrock access keys",
    "headers": "custom headers",
}


class AuthFile:
    """One parsed ``auth.json``.

    Attributes:
        document: the whole document; keys that nobody here knows are kept.
        kind: its ``auth_mode``, or the one that Codex would infer.
    """

    __slots__ = (
        "access_token",
        "account_id",
        "document",
        "id_token",
        "kind",
        "last_refresh",
        "name",
        "provenance_client_id",
        "provenance_issuer",
        "refresh_token",
    )

    def __init__(self, document: dict[str, object], name: str) -> None:
        table = table_at(document, "tokens", name)
        origin = table_at(table, "oauth_provenance", name)
        self.document = document
        self.name = name
        self.kind = _kind(document, name)
        self.access_token = secret_at(table, "access_token", name)
        self.refresh_token = secret_at(table, "refresh_token", name)
        self.id_token = secret_at(table, "id_token", name)
        self.account_id = text_at(table, "account_id", name)
        self.last_refresh = parse_rfc3339(document.get("last_refresh"))
        self.provenance_issuer = text_at(origin, "issuer", name)
        self.provenance_client_id = text_at(origin, "client_id", name)
        if table.get("oauth_provenance") is not None and not (
            self.provenance_issuer and self.provenance_client_id
        ):
            raise Malformed(f"{name}: oauth_provenance lacks issuer or client_id", hint=_away(name))

    def token(self, *, account: str = "", source: str = "local") -> Token:
        """Return the access token with what the file and its claims say of it."""
        return Token.from_jwt(
            self.access_token.reveal(),
            id_token=self.id_token.reveal(),
            account_id=self.account_id,
            account=account,
            source=source,
        )


def identity(auth: AuthFile) -> tuple[str, str]:
    """Return account id and user id: the first alone is a workspace, which its members share."""
    claims = [Claims(decode_claims(secret.reveal()) or {}) for secret in (auth.id_token, auth.access_token)]
    user = claims[0].user_id or claims[1].user_id
    return claims[0].account_id or claims[1].account_id or auth.account_id, user


def email_of(auth: AuthFile) -> str:
    """Return the address in the login's claims, the id token's first, or an empty string."""
    claims = [Claims(decode_claims(secret.reveal()) or {}) for secret in (auth.id_token, auth.access_token)]
    return claims[0].email or claims[1].email


def table_at(holder: dict[str, object], key: str, name: str) -> dict[str, object]:
    """Return the object under a key, empty where there is none; ``Malformed`` for anything else."""
    value = holder.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{name}: {key} is not an object", hint=_away(name))
    return value


def text_at(table: dict[str, object], key: str, name: str) -> str:
    """Return the text under a key, empty where there is none; ``Malformed`` for anything else."""
    value = table.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name}: {key} is not a text", hint=_away(name))
    return value


def secret_at(table: dict[str, object], key: str, name: str) -> Secret:
    """Return the token under a key without white space around it; ``Malformed`` where no token looks so."""
    text = text_at(table, key, name).strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Malformed(f"{name}: {key} holds a character that no token has", hint=_away(name))
    return Secret(text)


def _kind(document: dict[str, object], name: str) -> str:
    """Return the mode as Codex resolves it where ``auth_mode`` is absent."""
    if mode := text_at(document, "auth_mode", name):
        return mode
    for key, kind in (
        ("personal_access_token", "personalAccessToken"),
        ("agent_identity", "agentIdentity"),
        ("bedrock_api_key", "bedrockApiKey"),
        ("bedrock_access_keys", "bedrockAccessKeys"),
        ("OPENAI_API_KEY", "apikey"),
    ):
        if document.get(key):
            return kind
    return "chatgpt"


def parse_auth_file(text: str, name: str) -> AuthFile:
    """Parse the text of an ``auth.json``.

    Args:
        text: the whole content.
        name: the file's path, for messages.

    Raises:
        NotFound: it is empty.
        Malformed: it is not JSON, or its fields have other types than Codex writes.
    """
    if not text.strip():
        raise NotFound(f"{name} is empty", hint="codex-fetchtoken login")
    try:
        document = loads(text)
    except ValueError:
        raise Malformed(f"{name} is not JSON", hint=_away(name)) from None
    if not isinstance(document, dict):
        raise Malformed(f"{name} is not a JSON object", hint=_away(name))
    return AuthFile(document, name)


def is_word(text: str) -> bool:
    """Tell whether a text can be repeated to people: a short word, and no token that stands in its place."""
    return 0 < len(text) <= 24 and text.isascii() and text.replace("-", "").isalpha()


def _away(name: str) -> str:
    """Return what to do about a file that is none of Codex's: perhaps somebody can still mend it."""
    return f"move {name} away and run codex-fetchtoken login"


def check_login(auth: AuthFile) -> None:
    """Raise unless the file holds a ChatGPT login with an access token.

    Raises:
        LoginRequired: it holds another kind of credential, named in the message.
        NotFound: it holds none.
    """
    if auth.kind in ("chatgpt", ACCESS_ONLY):
        if auth.access_token or auth.refresh_token:
            return
        raise NotFound(f"{auth.name} holds no login", hint="codex-fetchtoken login")
    what = _OTHER_KINDS.get(auth.kind) or (
        f"auth_mode {auth.kind!r}" if is_word(auth.kind) else "an unknown auth_mode"
    )
    raise LoginRequired(
        f"{auth.name} holds {what}, not a ChatGPT login", hint="codex-fetchtoken login --force"
    )


def id_token_for(token: Token) -> str:
    """Return an id token of JWT shape; made from the access token's claims where there is none.

    One that is made names the account: Codex takes it from there at a login, and renews nothing without.
    """
    if token.id_token and decode_claims(token.id_token.reveal()) is not None:
        return token.id_token.reveal()
    payload = decode_claims(token.access_token.reveal()) or {}
    kept = ("exp", "iat", "email", _AUTH, "https://api.openai.com/profile")
    made = {key: payload[key] for key in kept if key in payload}
    if token.account_id and not Claims(made).account_id:
        auth = made.get(_AUTH)
        made[_AUTH] = (auth if isinstance(auth, dict) else {}) | {"chatgpt_account_id": token.account_id}
    return unsigned_jwt(made)


def access_only_document(token: Token, *, now_s: float) -> dict[str, object]:
    """Return the ``auth.json`` that Codex uses but can never refresh from.

    Args:
        token: the access token to hand over.
        now_s: epoch seconds, used where the token does not say when it was issued.
    """
    return {
        "auth_mode": ACCESS_ONLY,
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": id_token_for(token),
            "access_token": token.access_token.reveal(),
            "refresh_token": "",
            "account_id": token.account_id,
        },
        "last_refresh": to_rfc3339(now_s if token.issued_at is None else token.issued_at),
    }


def rotated_document(
    document: dict[str, object],
    *,
    access_token: Secret | None,
    refresh_token: Secret | None,
    id_token: Secret | None,
    now_s: float | None,
) -> dict[str, object]:
    """Return a copy with an exchange's answer in it; what the answer lacks stays, as do unknown keys.

    Args:
        document: the held file.
        access_token: what the answer brought; ``None`` where it lacks one.
        refresh_token: the same.
        id_token: the same.
        now_s: epoch seconds of the answer, or ``None`` to leave ``last_refresh`` as it is.
    """
    held = document.get("tokens")
    tokens: dict[str, object] = dict(held) if isinstance(held, dict) else {}
    for key, secret in (
        ("id_token", id_token),
        ("access_token", access_token),
        ("refresh_token", refresh_token),
    ):
        if secret is not None:
            tokens[key] = secret.reveal()
    stamp = {} if now_s is None else {"last_refresh": to_rfc3339(now_s, micros=True)}
    return {**document, "tokens": tokens, **stamp}
