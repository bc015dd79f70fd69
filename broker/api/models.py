"""The shapes of the API's answers, for its OpenAPI document and for tests; never on the request path."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

from broker.api.problems import Code

__all__ = [
    "AccountList",
    "AccountState",
    "CodeRequest",
    "CodexTokens",
    "DeviceForm",
    "DevicePoll",
    "DevicePolled",
    "ExchangeRequest",
    "ExchangedCredential",
    "JoinAnswer",
    "JoinRequest",
    "MachineToken",
    "Nothing",
    "Problem",
    "RefreshRequest",
    "RevokeRequest",
    "ServerMetadata",
    "Status",
    "TokenAnswer",
    "TokenRequest",
    "TokenResponse",
    "UserCode",
    "UserCodeRequest",
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


class RefreshRequest(BaseModel):
    """A machine's request for a token, as the Codex CLI makes it (RFC 6749 §6); more is passed over."""

    model_config = ConfigDict(hide_input_in_errors=True)

    grant_type: Literal["refresh_token"]
    refresh_token: str = Field(description="A machine credential, ``cbr_…``")
    refresh_reason: str = Field(default="", description="With ``unauthorized_recovery`` it is looked into")


class ExchangeRequest(BaseModel):
    """An API key, to be exchanged for a machine's credential (RFC 8693 §2.1); more is passed over."""

    model_config = ConfigDict(hide_input_in_errors=True)

    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange"]
    subject_token: str = Field(description="The API key, ``cbk_…``")
    subject_token_type: Literal["urn:ietf:params:oauth:token-type:access_token"]
    requested_token_type: Literal["urn:ietf:params:oauth:token-type:refresh_token"] = Field(
        default="urn:ietf:params:oauth:token-type:refresh_token"
    )
    audience: str = Field(
        default="", description="The account's name; without it the client's only or default one"
    )
    machine_name: str = Field(
        description="What the machine is called; its former credential ends",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
    )


class CodeRequest(BaseModel):
    """The code of a device login that was approved (RFC 6749 §4.1.3); more is passed over."""

    model_config = ConfigDict(hide_input_in_errors=True)

    grant_type: Literal["authorization_code"]
    client_id: str = Field(description="As it was when the login was asked for")
    code: str
    redirect_uri: str = Field(description="``/deviceauth/callback`` at this broker; nobody is sent there")
    code_verifier: str = Field(description="As it was told with the code")


class TokenRequest(RootModel[RefreshRequest | ExchangeRequest | CodeRequest]):
    """What may be asked for a token, by its ``grant_type``."""


class RevokeRequest(BaseModel):
    """A machine's request to end its own credential (RFC 7009 §2.1)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    token: str = Field(description="The machine credential; anything else is passed over")


class MachineToken(_Shape):
    """RFC 6749 §5.1, with an id token; the refresh token is the one that was sent and never changes."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int | None = Field(ge=0)
    refresh_token: str
    id_token: str = Field(description="Of JWT shape; unsigned where the issuer gave none")


class ExchangedCredential(_Shape):
    """RFC 8693 §2.2.1, with the token that the credential stands for."""

    access_token: str = Field(description="The machine credential, ``cbr_…``: no bearer")
    issued_token_type: Literal["urn:ietf:params:oauth:token-type:refresh_token"]
    token_type: Literal["N_A"]
    expires_in: int = Field(ge=0, description="Seconds that the credential lives")
    expires_at: str = Field(description="The same as a time")
    scope: Literal["token"]
    machine: int = Field(description="Its number, for codex-broker client revoke NAME --machine NUMBER")
    token: TokenAnswer = Field(description="As GET /codex answers it, access and id token included")


class TokenResponse(RootModel[MachineToken | ExchangedCredential]):
    """What a request brings, by its ``grant_type``."""


class UserCodeRequest(BaseModel):
    """Codex's request for a device login; more is passed over."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    client_id: str = Field(description="RFC 6749 §2.2", pattern=r"^[\x20-\x7e]{1,255}$")


class UserCode(_Shape):
    """What Codex shows, and what it asks with how its login goes."""

    device_auth_id: str
    user_code: str = Field(description="For a person to type at ``/codex/device``")
    interval: str = Field(description="Seconds between two questions, as text: Codex takes no number")
    expires_in: int = Field(ge=0)
    expires_at: AwareDatetime


class DevicePoll(BaseModel):
    """The question how a device login goes; more is passed over."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    device_auth_id: str = Field(pattern=r"^[\x20-\x7e]{1,128}$")
    user_code: str = Field(pattern=r"^[\x20-\x7e]{1,32}$")


class DevicePolled(_Shape):
    """A code for ``/oauth/token``, with both halves of a PKCE pair that the broker made (RFC 7636)."""

    authorization_code: str
    code_challenge: str
    code_verifier: str


class DeviceForm(BaseModel):
    """What the two forms of the page send: both codes, or a decision."""

    model_config = ConfigDict(extra="forbid")

    user_code: str = Field(default="", max_length=32)
    invite: str = Field(default="", max_length=128)
    ticket: str = Field(default="", description="From the page that followed both codes")
    machine: str = Field(default="", max_length=64)
    account: str = ""
    decision: Literal["approve", "deny"] | None = None


class ServerMetadata(_Shape):
    """RFC 8414 §2."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    response_types_supported: list[str]
    grant_types_supported: list[str]
    code_challenge_methods_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]


class Nothing(_Shape):
    """An empty object."""


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
    error: Code | None = Field(default=None, description="OAuth's word for it, where OAuth is spoken")
    error_description: str | None = Field(default=None, description="The detail once more, same")
