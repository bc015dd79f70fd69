"""What passes between people, Codex and the store while a device login is under way. Pure records."""

from dataclasses import dataclass
from enum import StrEnum

from broker.domain.device import DeviceRequest
from broker.domain.records import Machine
from fetchtoken.domain.secret import Secret

__all__ = ["Asked", "Offer", "Redeemed", "Refusal", "Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What Codex is given; no part of it is in the store."""

    device: Secret
    """By which it asks how its request goes."""
    user_code: Secret
    """For a person to type."""
    expires_at: float
    """Epoch seconds."""


class Refusal(StrEnum):
    """Why nothing was approved, or offered; in the trail these are outcomes."""

    INVITE = "invite"
    """Unknown, used, expired or ended."""
    HELD = "held"
    """Too many wrong user codes came with this invite."""
    CODE = "code"
    """No request with that user code waits."""
    POWERLESS = "powerless"
    """The invite counts, but there is no account of its whose token its client may have now."""
    TICKET = "ticket"
    """The ticket is unknown, used, or that of a request that does not wait any more."""
    NOT_GRANTED = "not_granted"
    """The invite approves no device for that account, or nobody gets a token of it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is laid before the approver."""

    ticket: Secret
    """Good for one decision on this request by this invite."""
    request: DeviceRequest
    client: str
    """Name of the client that the machine will belong to."""
    accounts: tuple[str, ...]
    """Names to choose from, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the approver chose."""

    account: str
    """Name of an account; whatever the form said."""
    machine: str
    """A well-formed name for the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """What an authorization code brought."""

    made: Machine | None
    """The credential; ``None`` where the code had been spent, was not approved, or came too late."""
    ended: tuple[Machine, ...]
    """Former credentials of that machine; or what the code had brought, which its replay ends."""
