"""The shapes of the API's answers, for its OpenAPI document and for tests; never on the request path."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broker.api.problems import Code

__all__ = [
    "AccountList",
    "AccountState",
    "CodexTokens",
    "JoinAnswer",
    "JoinRequest",
    "Problem",
    "Status",
    "TokenAnswer",
    "Whoami",
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CodexTokens(_Shape):
    """The ``tokens`` of a Codex ``auth.json``."""

    id_token: str = Field(description="Of JWT shape; unsigned where the issuer gave none")
    access_token: str
    refresh_token: Literal[""] = Field(description="Always empty: refresh tokens never leave the broker")
    account_id: str


class TokenAnswer(_Shape):
    """An access-only Codex ``auth.json`` with the fields of RFC 6749 §5.1 on top."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int | None = Field(description="Seconds from now; null where the token does not say", ge=0)
    expires_at: AwareDatetime | None
    refresh_after: AwareDatetime | None = Field(
        description="When the broker renews it, asking earlier is idle; null where it cannot"
    )
    account: str
    account_id: str
    plan_type: str
    auth_mode: Literal["chatgptAuthTokens"]
    OPENAI_API_KEY: None
    last_refresh: AwareDatetime
    tokens: CodexTokens


class Whoami(_Shape):
    """A client and its grants."""

    client: str
    key_id: str
    scopes: list[Literal["token", "quota", "admin"]]
    accounts: list[str]
    default_account: str | None
    expires_at: AwareDatetime | None


class AccountState(_Shape):
    """What is known of an account; no tokens."""

    account: str
    account_id: str
    plan_type: str
    state: Literal["active", "refreshing", "in_doubt", "replaying", "login_required"]
    disabled: bool
    expires_at: AwareDatetime | None
    refresh_after: AwareDatetime | None
    source: str


class AccountList(_Shape):
    """The accounts that a client may see."""

    accounts: list[AccountState]


class JoinRequest(BaseModel):
    """An invite code, sent once; unknown fields are passed over."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    code: str = Field(description="``cbi_…``, as codex-broker invite printed it", max_length=128)
    nonce: str = Field(
        description="Chosen by chance and kept until there is an answer: with it the same answer comes again",
        pattern=r"^[A-Za-z0-9_-]{32,128}$",
    )
    name: str = Field(
        default="", description="The machine's name, for the audit trail", pattern=r"^[A-Za-z0-9._-]{0,64}$"
    )


class JoinAnswer(_Shape):
    """A new client, its API key, and the names of what it was granted."""

    api_key: str
    client: str
    accounts: list[str]


class Status(_Shape):
    """All is well."""

    status: Literal["ok"]


class Problem(_Shape):
    """What went wrong (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: Code = Field(description="For programs")
    detail: str = Field(description="For people")
