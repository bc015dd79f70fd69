"""The shapes of the API's answers, for its OpenAPI document and for tests; never on the request path."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broker.api.problems import Code

__all__ = ["AccountList", "AccountState", "CodexTokens", "Problem", "Status", "TokenAnswer", "Whoami"]


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
