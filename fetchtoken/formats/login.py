"""One login, in the same words whichever tool's file it came from."""

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token

__all__ = ["Login"]

_NO_SECRET = Secret("")


class Login:
    """A login as a file holds it. What a token says of itself beats what the file says beside it.

    Args:
        form: the format's key, one of :data:`fetchtoken.formats.detect.FORMATS`.
        where: file, and which of several, for messages.
        access_token: the bearer; may be empty, or opaque.
        refresh_token: empty for an access-only copy.
        id_token: empty where the file has none.
        account_id: ``chatgpt_account_id`` as the file says it.
        email: as the file says it.
        expires_at: epoch seconds as the file says it.
        last_refresh: epoch seconds of the last exchange, or ``None``.
        disabled: the tool has been told to leave it alone.
        nickname: what the tool calls it.
        provenance: issuer and OAuth client id, where the file names another than OpenAI's own.
    """

    __slots__ = (
        "access_token",
        "account_id",
        "disabled",
        "email",
        "expires_at",
        "form",
        "id_token",
        "identity",
        "issued_at",
        "last_refresh",
        "nickname",
        "plan_type",
        "provenance",
        "refresh_token",
        "user_id",
        "where",
    )

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self,
        *,
        form: str,
        where: str,
        access_token: Secret,
        refresh_token: Secret,
        id_token: Secret = _NO_SECRET,
        account_id: str = "",
        email: str = "",
        expires_at: float | None = None,
        last_refresh: float | None = None,
        disabled: bool = False,
        nickname: str = "",
        provenance: tuple[str, str] = ("", ""),
    ) -> None:
        said = Claims(decode_claims(id_token.reveal()) or {})
        access = Claims(decode_claims(access_token.reveal()) or {})
        self.form = form
        self.where = where
        self.access_token = access_token
        self.refresh_token = refresh_token
        self.id_token = id_token
        self.account_id = account_id or said.account_id or access.account_id
        self.user_id = said.user_id or access.user_id
        self.identity = (said.account_id or access.account_id or account_id, self.user_id)
        """Whose it is: the account id alone is a workspace, which its members share."""
        self.email = said.email or access.email or email
        self.plan_type = said.plan_type or access.plan_type
        self.issued_at = access.iat
        self.expires_at = access.exp if access.exp is not None or expires_at is None else int(expires_at)
        self.last_refresh = last_refresh
        self.disabled = disabled
        self.nickname = nickname
        self.provenance = provenance

    @property
    def age_key(self) -> float:
        """Return what orders copies of one login: ``iat``, else the last exchange, else 0."""
        return float(self.issued_at if self.issued_at is not None else self.last_refresh or 0)

    def token(self, *, account: str = "", source: str = "local") -> Token:
        """Return its access token with what is known of it."""
        return Token(
            access_token=self.access_token,
            expires_at=self.expires_at,
            issued_at=self.issued_at,
            account=account,
            account_id=self.account_id,
            plan_type=self.plan_type,
            source=source,
            id_token=self.id_token or None,
        )

    def __repr__(self) -> str:
        return f"Login(form={self.form!r}, where={self.where!r}, account_id={self.account_id!r})"
