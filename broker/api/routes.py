"""The one table of routes: the application and its OpenAPI document are both made from it."""

from typing import NamedTuple

from pydantic import BaseModel

from broker.api.endpoint import ClientHandler, OpenHandler
from broker.api.models import (
    AccountList,
    DeviceForm,
    DevicePoll,
    DevicePolled,
    JoinAnswer,
    JoinRequest,
    Nothing,
    RevokeRequest,
    ServerMetadata,
    Status,
    TokenAnswer,
    TokenRequest,
    TokenResponse,
    UserCode,
    UserCodeRequest,
    Whoami,
)
from broker.api.problems import Code

__all__ = ["EVERYWHERE", "KEYED", "Route", "Table", "table"]

EVERYWHERE: tuple[Code, ...] = ("content_too_large", "misdirected_request", "internal_error")
"""Problems that any route may answer."""

KEYED: tuple[Code, ...] = ("invalid_token", "rate_limited")
"""Problems of every route that wants an API key."""

_TOKEN: tuple[Code, ...] = (
    "invalid_request",
    "not_granted",
    "account_disabled",
    "insufficient_scope",
    "sealed",
    "login_required",
    "unavailable",
    "token_expiring",
)


class Route(NamedTuple):
    """One operation: a path and a method. Who answers GET answers HEAD too."""

    path: str
    name: str
    """The ``operationId``."""
    summary: str
    answer: type[BaseModel] | None
    """The shape of a 200; ``None`` for any JSON object."""
    problems: tuple[Code, ...] = ()
    """Beside those of :data:`EVERYWHERE` and :data:`KEYED`."""
    is_token: bool = False
    """It takes ``min_valid`` and conditions, and answers as text on demand."""
    public: OpenHandler | None = None
    keyed: ClientHandler | None = None
    method: str = "GET"
    body: type[BaseModel] | None = None
    """The shape of the JSON that is sent; ``None`` where no body is read."""
    is_oauth: bool = False
    """It takes a form, too, and its problems speak RFC 6749's words as well."""
    is_page: bool = False
    """It is for people: its answers and its own problems are HTML, and what it takes is a form."""

    @property
    def methods(self) -> tuple[str, ...]:
        """What the router lets through to it."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def codes(self) -> tuple[Code, ...]:
        """Return all problems that it may answer."""
        return (*self.problems, *(KEYED if self.keyed else ()), *EVERYWHERE)


class Table(NamedTuple):
    """The handlers that the table is filled with."""

    only: ClientHandler
    named: ClientHandler
    whoami: ClientHandler
    accounts: ClientHandler
    healthz: OpenHandler
    readyz: OpenHandler
    openapi: OpenHandler
    join: OpenHandler
    oauth_token: OpenHandler
    oauth_revoke: OpenHandler
    metadata: OpenHandler
    user_code: OpenHandler
    device_poll: OpenHandler
    device_page: OpenHandler
    device_form: OpenHandler


def table(handlers: Table) -> tuple[Route, ...]:
    """Return all routes."""
    return (
        Route(
            "/codex",
            "getToken",
            "The access token of the client's only or default account",
            TokenAnswer,
            (*_TOKEN, "account_required"),
            is_token=True,
            keyed=handlers.only,
        ),
        Route(
            "/codex/{account}",
            "getAccountToken",
            "The access token of an account",
            TokenAnswer,
            (*_TOKEN, "not_found"),
            is_token=True,
            keyed=handlers.named,
        ),
        Route("/v1/whoami", "whoami", "The client and its grants", Whoami, keyed=handlers.whoami),
        Route(
            "/v1/accounts",
            "listAccounts",
            "States and expiries of the accounts granted; with scope admin, of all",
            AccountList,
            keyed=handlers.accounts,
        ),
        Route(
            "/join",
            "join",
            "An invite code, sent once, becomes a client with an API key",
            JoinAnswer,
            ("invalid_request", "invalid_token", "rate_limited", "unavailable"),
            public=handlers.join,
            method="POST",
            body=JoinRequest,
        ),
        Route(
            "/oauth/token",
            "machineToken",
            "The access token of a machine credential's account, for OAuth clients such as the Codex CLI; "
            "or a machine credential for an API key (RFC 8693), or for the code of a device login",
            TokenResponse,
            (
                *("invalid_request", "invalid_grant", "unsupported_grant_type", "account_disabled"),
                *("refresh_token_expired", "refresh_token_invalidated", "rate_limited"),
                *("sealed", "login_required", "unavailable"),
                *("invalid_token", "insufficient_scope", "not_granted", "account_required"),
                *("invalid_target", "too_many_machines"),
            ),
            public=handlers.oauth_token,
            method="POST",
            body=TokenRequest,
            is_oauth=True,
        ),
        Route(
            "/oauth/revoke",
            "machineRevoke",
            "A machine credential, ended by whoever holds it; nothing is revoked upstream",
            Nothing,
            ("invalid_request", "rate_limited", "unavailable"),
            public=handlers.oauth_revoke,
            method="POST",
            body=RevokeRequest,
            is_oauth=True,
        ),
        *_device_routes(handlers),
        Route(
            "/.well-known/oauth-authorization-server",
            "oauthMetadata",
            "Where the OAuth routes are (RFC 8414)",
            ServerMetadata,
            ("not_found",),
            public=handlers.metadata,
        ),
        Route("/healthz", "healthz", "Whether the daemon answers", Status, public=handlers.healthz),
        Route(
            "/readyz",
            "readyz",
            "Whether it can keep and serve tokens; the issuer plays no part",
            Status,
            ("sealed", "unavailable"),
            public=handlers.readyz,
        ),
        Route("/openapi.json", "openapi", "This document", None, public=handlers.openapi),
    )


def _device_routes(handlers: Table) -> tuple[Route, ...]:
    """Return those of the Codex CLI's device login; their paths are its own."""
    return (
        Route(
            "/api/accounts/deviceauth/usercode",
            "deviceUserCode",
            "Begin a device login of the Codex CLI",
            UserCode,
            ("invalid_request", "not_found", "rate_limited", "unavailable"),
            public=handlers.user_code,
            method="POST",
            body=UserCodeRequest,
        ),
        Route(
            "/api/accounts/deviceauth/token",
            "deviceToken",
            "How a device login goes: 403 as long as it may still be approved, 410 once it is over",
            DevicePolled,
            ("invalid_request", "authorization_pending", "slow_down", "access_denied", "expired_token"),
            public=handlers.device_poll,
            method="POST",
            body=DevicePoll,
        ),
        Route(
            "/codex/device",
            "devicePage",
            "The page on which a person approves a device login by an invite code",
            None,
            ("not_found",),
            public=handlers.device_page,
            is_page=True,
        ),
        Route(
            "/codex/device",
            "deviceForm",
            "Its forms: both codes, then the decision",
            None,
            ("invalid_request", "not_granted", "rate_limited", "unavailable", "not_found"),
            public=handlers.device_form,
            method="POST",
            body=DeviceForm,
            is_page=True,
        ),
    )
