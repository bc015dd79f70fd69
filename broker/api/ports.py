"""What the HTTP API alone needs of the rest of the daemon."""

from typing import Protocol

from broker.domain.apikey import ApiKey
from broker.domain.records import Account, AuditRecord, Client, Machine
from fetchtoken.domain.secret import Secret

__all__ = ["Enrolment", "Health", "Joined", "Machines"]


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


class Health(Protocol):
    """What is wrong with the daemon itself."""

    def troubles(self) -> tuple[str, ...]:
        """Return which of ``store``, ``seal``, ``journal`` and ``audit`` do not work; never blocks."""
        ...
