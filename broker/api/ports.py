"""What the HTTP API alone needs of the rest of the daemon."""

from typing import Protocol

from broker.domain.apikey import ApiKey
from broker.domain.approval import Asked, Offer, Redeemed, Refusal, Wish
from broker.domain.device import DeviceRequest, Pair
from broker.domain.records import Account, AuditRecord, Client, Machine
from fetchtoken.domain.secret import Secret

__all__ = ["Devices", "Enrolment", "Health", "Joined", "Machines"]


class Joined(Protocol):
    """What an invite code brought."""

    @property
    def client(self) -> Client:
        """The client that it made."""
        ...

    @property
    def api_key(self) -> Secret:
        """Its key."""
        ...

    @property
    def accounts(self) -> tuple[str, ...]:
        """Names of the accounts granted."""
        ...

    @property
    def first(self) -> bool:
        """Whether it was made just now; else its machine was told again."""
        ...


class Enrolment(Protocol):
    """Whoever knows the invite codes."""

    async def redeem(self, code: ApiKey, nonce: Secret, audit: AuditRecord) -> Joined | None:
        """Make a code's client, or tell who sends the same nonce the same again, for a while.

        Returns:
            ``None`` where the code is unknown, used, expired, revoked or void.

        Raises:
            ConfigError: it makes no client, but approves device logins.
            FetchTokenError: the store does not answer.
        """
        ...


class Machines(Protocol):
    """Whoever looks after machine credentials."""

    async def recovered(self, machine: Machine, account: Account) -> None:
        """Look into a token that a machine calls refused: checked, and exchanged at most once."""
        ...

    def served(self, machine: Machine, account: Account, now_s: float) -> None:
        """Note that a machine got an account's token; never blocks."""
        ...

    async def replace(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        key: ApiKey,
        audit: AuditRecord,
        *,
        client: int,
        account: int,
        name: str,
        expires_at: float | None,
        from_key: str | None = None,
    ) -> Machine:
        """Make a credential in the place of those that the client has by the same name.

        Raises:
            Denied: that API key is the client's no more.
            ConfigError: the client has as many as it may have.
            NotFound: client or account are gone.
            FetchTokenError: the store does not answer.
        """
        ...

    async def revoke(self, machine: Machine, *, peer: str, request_id: str) -> None:
        """Revoke a credential for good.

        Raises:
            FetchTokenError: the store does not answer.
        """
        ...


class Devices(Protocol):
    """Whoever keeps device logins; any of these may raise ``FetchTokenError``: the store does not answer."""

    async def ask(self, *, client_id: str, address: str, limited_by: str) -> Asked | None:
        """Make a request for a login; ``None`` where too many wait already."""
        ...

    async def find(self, device: Secret, user_code: Secret) -> DeviceRequest | None:
        """Return the request with these two secrets, or ``None``."""
        ...

    async def of_code(self, code: Secret) -> DeviceRequest | None:
        """Return the request with this authorization code, whatever became of it, or ``None``."""
        ...

    def pair(self, device: Secret) -> Pair:
        """Return the authorization code of a request, and its verifier: the same each time."""
        ...

    def verifier(self, code: Secret) -> Secret:
        """Return the verifier that belongs to an authorization code."""
        ...

    async def client(self, row: int) -> Client | None:
        """Return a client, one that another process made just now included."""
        ...

    async def look(self, user_code: Secret, invite: ApiKey | None, audit: AuditRecord) -> Offer | Refusal:
        """Return what an invite may approve, with a ticket; wrong codes are counted."""
        ...

    async def deny(self, ticket: Secret, audit: AuditRecord) -> Refusal | None:
        """Refuse a request for good; returns why that was not done."""
        ...

    async def approve(self, ticket: Secret, wish: Wish, audit: AuditRecord) -> Refusal | None:
        """Approve a request, and spend the invite; returns why that was not done."""
        ...

    async def redeem(self, code: Secret, key: ApiKey, audit: AuditRecord) -> Redeemed:
        """Make the credential that a code stands for, or end the one that it brought before.

        Raises:
            NotFound: client or account are gone.
            ConfigError: the client has as many credentials as it may have; the code stays good.
        """
        ...


class Health(Protocol):
    """What is wrong with the daemon itself."""

    def troubles(self) -> tuple[str, ...]:
        """Return which of ``store``, ``seal``, ``journal`` and ``audit`` do not work; never blocks."""
        ...
