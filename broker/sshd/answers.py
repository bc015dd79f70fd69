"""What a caller reads: exit codes and words of refusals. Pure."""

from dataclasses import dataclass

from broker.access.refused import Code, Refused
from fetchtoken.domain.errors import ConfigError, Denied, FetchTokenError, LoginRequired, Unavailable

__all__ = ["Answer", "as_error", "failure"]

_ASK = "ask whoever runs the broker"
_LATER = "try again later"

_ERRORS: dict[Code, tuple[type[FetchTokenError], str]] = {
    "account_required": (ConfigError, "name it; the command accounts lists them"),
    "invalid_token": (Denied, _ASK),
    "not_granted": (Denied, f"{_ASK}: codex-broker client grant"),
    "account_disabled": (Denied, f"{_ASK}: codex-broker account enable"),
    "insufficient_scope": (Denied, f"{_ASK} for a client with the scope token"),
    "login_required": (LoginRequired, f"{_ASK}: codex-broker account show"),
    "rate_limited": (Unavailable, _LATER),
    "sealed": (Unavailable, f"{_ASK}: codex-broker check"),
    "unavailable": (Unavailable, _LATER),
    "token_expiring": (Unavailable, "--min-valid 0, or try again later"),
}
"""The class of each refusal, with the exit code that the command has for it over HTTP, and its hint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command ends with."""

    code: int
    """The exit status."""
    out: str = ""
    err: str = ""


def as_error(refused: Refused) -> FetchTokenError:
    """Return a refusal as the error that a command ends with."""
    kind, hint = _ERRORS.get(refused.code, (FetchTokenError, _ASK))
    if refused.retry_after_s is not None:
        hint = f"try again in {refused.retry_after_s} s"
    return kind(refused.detail, hint=hint, code=refused.code)


def failure(error: FetchTokenError) -> Answer:
    """Return an error as every command says it: what happened, and one thing to do."""
    return Answer(error.exit_code, "", f"codex-broker: {error.message}\nhint: {error.hint}\n")
