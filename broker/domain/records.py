"""What the broker keeps: accounts, clients, audit records. Frozen; a change is a new record."""

from dataclasses import dataclass
from typing import NamedTuple

from broker.domain.account import State
from fetchtoken.domain.secret import Secret

__all__ = [
    "Account",
    "AuditRecord",
    "Client",
    "Held",
    "LateAnswer",
    "Machine",
    "NewLogin",
    "Snapshot",
    "Spent",
    "Tokens",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one login or one answer brought, with what the tokens say of themselves.

    ``None`` or an empty text means absent: the store then keeps what it holds.
    """

    access_token: Secret
    refresh_token: Secret | None
    """``None`` where none came; an answer without one leaves the old one in force."""
    id_token: Secret | None
    account_id: str = ""
    user_id: str = ""
    email: str = ""
    plan_type: str = ""
    issued_at: int | None = None
    """Epoch seconds: the access token's ``iat``."""
    expires_at: int | None = None
    """Epoch seconds: the access token's ``exp``; ``None`` for an opaque token."""
    refresh_after: float
    """Epoch seconds from which it is stale (:func:`broker.domain.schedule.refresh_after`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLogin:
    """A login that comes into the broker."""

    tokens: Tokens
    issuer: str
    """The URL of the issuer that gave it; it is never sent to another."""
    client_id: str
    """The OAuth client id that it was issued to."""
    source: str
    """How it came: ``adopt``, ``import``, ``login`` or ``sandbox``."""
    source_path: str = ""
    """The file it came from, or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One ChatGPT user in one workspace, as the store holds it."""

    id: int
    name: str
    account_id: str
    user_id: str
    email: str
    plan_type: str
    issuer: str
    client_id: str
    login_id: str
    generation: int
    state: State
    disabled: bool
    """By an administrator's order, or for as long as its adoption lasts."""
    restored: bool
    """Perhaps a copy of a login that is used elsewhere: never sent without a person."""
    adopting: bool
    """Its file is not yet access-only, so it must not be exchanged."""
    sealed: bool
    """Its boxes do not open: the tokens here are empty."""
    replay_used: bool
    """The one replay of this generation is used up."""
    source: str
    source_path: str
    attempt_id: str | None
    """The attempt that the row waits for or is in doubt about."""
    journal_id: str | None
    """Which host and volume hold that attempt's journal file."""
    lease_until: float | None
    """Epoch seconds on the database's clock."""
    not_before_s: float
    """Epoch seconds before which no exchange is tried; 0 for none."""
    failures: int
    """Attempts since the last token answer that ended without one."""
    last_error: str
    issued_at: int | None
    expires_at: int | None
    refresh_after: float
    created_at: float
    updated_at: float
    revision: int
    """The store's change counter when this row was last written."""
    access_token: Secret
    refresh_token: Secret
    """Empty for a login that is access only."""
    id_token: Secret | None

    @property
    def identity(self) -> tuple[str, str]:
        """Return (account id, user id): the first alone is a workspace that its members share."""
        return (self.account_id, self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Whoever authenticates to the broker: a person's machine, a job, a host."""

    id: int
    name: str
    key_id: str
    key_hash: bytes
    """Keyed hash of the whole API key (:func:`broker.domain.apikey.hash_key`)."""
    scopes: frozenset[str]
    accounts: frozenset[int]
    """Ids of the accounts granted."""
    ssh_keys: frozenset[str] = frozenset()
    """Fingerprints of its SSH keys (:func:`broker.domain.sshkey.fingerprint_of`)."""
    default_account: int | None
    expires_at: float | None
    """Epoch seconds, or ``None`` for never."""
    revoked_at: float | None
    created_at: float
    updated_at: float
    revision: int
    """The store's change counter when this row was last written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine credential: where a program keeps it as its refresh token. One client, one account."""

    id: int
    client: int
    """Row id of the client it belongs to."""
    account: int
    """Row id of the account whose token it brings."""
    name: str
    """What people call the machine."""
    key_id: str
    key_hash: bytes
    """Keyed hash of the whole credential."""
    expires_at: float | None
    """Epoch seconds, or ``None`` for as long as its client."""
    revoked_at: float | None
    last_used_at: float | None
    """Epoch seconds, about a minute exact."""
    created_at: float
    revision: int
    """The store's change counter when this row was made or revoked."""
    from_key: str | None = None
    """Id of the API key that was exchanged for it, with which it ends; ``None`` for any other origin."""


class AuditRecord(NamedTuple):
    """One line of the audit trail. A tuple, because one is made for each token that leaves.

    No field ever holds a secret.
    """

    at: float
    """Epoch seconds."""
    action: str
    """One of :class:`broker.domain.audit.Action`."""
    client: str = ""
    account: str = ""
    peer: str = ""
    """Address, or ``uid N`` on the administrative socket."""
    request_id: str = ""
    outcome: str = "ok"
    """``ok``, or the code of the problem."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Accounts and clients at one instant: all of them, or what changed since a revision."""

    revision: int
    whole: bool
    accounts: tuple[Account, ...]
    clients: tuple[Client, ...]
    removed_accounts: frozenset[int] = frozenset()
    removed_clients: frozenset[int] = frozenset()
    machines: tuple[Machine, ...] = ()
    """They go with their client or account; nobody else removes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswer:
    """A token answer that came too late for its row; it lies sealed beside it as an orphan."""

    account: int
    """The row that it was for, which may be gone."""
    generation: int
    at: float
    """Epoch seconds at which it was kept."""


@dataclass(frozen=True, slots=True)
class Held:
    """A refresh token that the broker holds now."""

    account: str


@dataclass(frozen=True, slots=True)
class Spent:
    """A refresh token that was exchanged here for a different one."""

    account: str
    """The account's name, or an empty text where it was removed since."""
    at: float
    """Epoch seconds of the exchange."""
