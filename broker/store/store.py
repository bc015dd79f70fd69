"""The store's face: one method for each thing that happens, each one transaction."""

import os
import time
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import select

from broker.domain.account import Event, State
from broker.domain.apikey import ApiKey
from broker.domain.records import (
    Account,
    AuditRecord,
    Client,
    Held,
    LateAnswer,
    NewLogin,
    Snapshot,
    Spent,
    Tokens,
)
from broker.seal.box import Seal
from broker.store import accounts as _accounts
from broker.store import clients as _clients
from broker.store import commit as _commit
from broker.store import held as _held
from broker.store import invites as _invites
from broker.store import rotation as _rotation
from broker.store.audit import read_audit
from broker.store.changes import bump, read_changes, read_counter
from broker.store.engine import Database, database_now
from broker.store.keys import StoreKeys
from broker.store.setup import prepare
from broker.store.trail import Trail, open_trail
from broker.store.work import Work
from fetchtoken.domain.secret import Secret

__all__ = ["Store"]

_NONE: frozenset[int] = frozenset()


class Store:
    """Accounts, clients and the audit trail, durable and sealed. Made by :meth:`open`.

    Every method may raise ``Unavailable`` (code ``store``) when the database does not answer, is
    locked or full. Every change takes its audit record and writes it in the same transaction.
    """

    def __init__(
        self, database: Database, keys: StoreKeys, store_id: str, trail: Trail, now: Callable[[], float]
    ) -> None:
        self.database = database
        """For what works on the store as a whole: backups, key rotation, the audit trail."""
        self.keys = keys
        """What seals and hashes for it."""
        self.trail = trail
        """Where its audit records go."""
        self._now = now
        self.store_id = store_id
        """32 hex digits, made with the store: tells a store from another one's copy or backup."""

    @classmethod
    async def open(  # noqa: PLR0913 - a record; its fields are named at the call
        cls,
        url: str,
        seal: Seal,
        *,
        now: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
        head: Path | None = None,
        restored: bool = False,
    ) -> "Store":
        """Open a store, making and migrating it as needed.

        Args:
            url: ``sqlite:///PATH``.
            seal: the seal of the home.
            now: epoch seconds.
            random_bytes: a strong source, for a new store's id and hashing key.
            head: the home's head file (:mod:`broker.store.headfile`); ``audit.head`` beside the
                database where not given.
            restored: say in the audit trail that the store has just been put back from a backup.

        Raises:
            ConfigError: another kind of URL, a store of a newer program, or a master key that is
                missing (code ``sealed``).
            Unsafe: the store's sealed hashing key is damaged (code ``sealed``), or the head file
                cannot be used (code ``audit``).
        """
        database = Database(url)
        path = head or Path(database.path).with_name("audit.head")
        try:
            store_id, keys = await prepare(database, seal, random_bytes)
            trail = await open_trail(
                database, keys, path, now=now, random_bytes=random_bytes, restored=restored
            )
        except BaseException:
            await database.close()
            raise
        return cls(database, keys, store_id, trail, now)

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()
        self.trail.close()

    @property
    def api_key_hash_key(self) -> bytes:
        """The key for :func:`broker.domain.apikey.matches`; it outlives master keys."""
        return self.keys.api_key_hash

    def fingerprint(self, token: Secret) -> bytes:
        """Return the keyed hash by which a refresh token is recognised."""
        return self.keys.fingerprint(token)

    @asynccontextmanager
    async def _work(self, audit: AuditRecord) -> AsyncIterator[Work]:
        async with self.database.write() as connection:
            trail = self.trail.within(connection)
            yield Work(connection, self.keys, self._now(), await bump(connection), audit, trail)
        trail.committed()

    # Reading.

    async def snapshot(self) -> Snapshot:
        """Return all accounts and clients."""
        async with self.database.read() as connection:
            return await read_changes(connection, self.keys, None)

    async def changes(self, since: int) -> Snapshot:
        """Return what changed after a revision, removals included; cheap when nothing did."""
        async with self.database.read() as connection:
            return await read_changes(connection, self.keys, since)

    async def change_counter(self) -> int:
        """Return the newest revision: it grows with every change by any process."""
        async with self.database.read() as connection:
            return await read_counter(connection)

    async def database_now(self) -> float:
        """Return epoch seconds on the database's clock, the one that leases are measured by."""
        async with self.database.read() as connection:
            return float((await connection.execute(select(database_now()))).scalar_one())

    async def unsettled(self) -> list[Account]:
        """Return the accounts that are refreshing, replaying or in doubt."""
        async with self.database.read() as connection:
            return await _rotation.read_unsettled(connection, self.keys)

    async def find_fingerprint(self, token: Secret) -> Held | Spent | None:
        """Tell whether a refresh token is held now, was spent here, or is unknown."""
        async with self.database.read() as connection:
            return await _held.find_fingerprint(connection, self.keys, token)

    async def late_answers(self) -> list[LateAnswer]:
        """Return what lies sealed as an orphan, oldest first; never the tokens."""
        async with self.database.read() as connection:
            return await _commit.read_late(connection)

    async def list_audit(
        self, *, account: str = "", client: str = "", since: float = 0, limit: int = 1000
    ) -> list[AuditRecord]:
        """Return the newest matching records, oldest first (``since`` in epoch seconds)."""
        async with self.database.read() as connection:
            return await read_audit(connection, account=account, client=client, since=since, limit=limit)

    async def record(self, audit: AuditRecord) -> None:
        """Write a record of something that changes nothing in the store."""
        async with self._work(audit) as work:
            await work.log()

    # Accounts.

    async def add_account(
        self,
        name: str,
        login: NewLogin,
        audit: AuditRecord,
        *,
        adopting: bool = False,
        disabled: bool = False,
    ) -> Account:
        """Store a login under a new name, active at generation 0.

        Args:
            name: checked by the caller.
            login: what came.
            audit: the record.
            adopting: store it disabled and never exchange it until :meth:`set_flags` ends that.
            disabled: neither serve nor exchange it until an administrator says so.

        Raises:
            ConfigError: name, identity or refresh token are held (code ``account_exists``, the
                message says where), or the refresh token was spent here (code ``spent``).
        """
        async with self._work(audit) as work:
            return await _accounts.add_account(work, name, login, adopting=adopting, disabled=disabled)

    async def replace_login(
        self, account: int, login: NewLogin, audit: AuditRecord, *, adopting: bool = False
    ) -> Account:
        """Put a new login in an account's place: new login_id, generation 0, active.

        Raises:
            NotFound: the account was removed.
            ConfigError: the login is somebody else's (code ``identity_mismatch``), older than the
                one held (``older``), held or spent (as with :meth:`add_account`).
        """
        async with self._work(audit) as work:
            return await _accounts.replace_login(work, account, login, adopting=adopting)

    async def set_flags(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        account: int,
        audit: AuditRecord,
        *,
        name: str | None = None,
        disabled: bool | None = None,
        adopting: bool | None = None,
        restored: bool | None = None,
    ) -> Account:
        """Set what is given, the name included; raises NotFound, and ConfigError where the name is taken."""
        wanted = {"name": name, "disabled": disabled, "adopting": adopting, "restored": restored}
        given = {column: value for column, value in wanted.items() if value is not None}
        async with self._work(audit) as work:
            return await _accounts.change_account(work, account, given)

    async def remove_account(self, account: int, audit: AuditRecord) -> None:
        """Delete an account and its grants; raises NotFound."""
        async with self._work(audit) as work:
            await _accounts.remove_account(work, account)

    async def keep_adopted(self, account: Account, path: str, document: str) -> None:
        """Keep a sealed copy of a file as it was before it was made access-only.

        No action of its own, so without a record: the adoption's says it.
        """
        async with self.database.write() as connection:
            await _accounts.keep_adopted(connection, self.keys, account, (path, document), self._now())

    # Rotation.

    async def arm(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        account: Account,
        *,
        to: State,
        attempt_id: str,
        journal_id: str,
        lease_s: float,
        audit: AuditRecord,
    ) -> Account | None:
        """Write the intent, which is the lock: ``WHERE id, login_id, generation, state``.

        Args:
            account: as the caller last saw it.
            to: ``REFRESHING`` from active, ``REPLAYING`` from in doubt.
            attempt_id: new for each attempt.
            journal_id: which host and volume hold its journal file.
            lease_s: seconds from now on the database's clock.
            audit: the record.

        Returns:
            The account as armed, durable and read back; ``None`` when somebody else has it, it
            changed, or its adoption is not finished.

        Raises:
            ImpossibleEventError, ValueError: the table has no such step.
        """
        async with self._work(audit) as work:
            armed = await _rotation.arm(
                work, account, to=to, attempt_id=attempt_id, journal_id=journal_id, lease_s=lease_s
            )
            if not armed:
                await work.undo()
        if not armed:
            return None
        async with self.database.read() as connection:
            return await _rotation.read_armed(connection, self.keys, account.id, attempt_id)

    async def commit_tokens(
        self, account: Account, attempt_id: str, event: Event, tokens: Tokens, audit: AuditRecord
    ) -> Account | None:
        """Keep a token answer: ``WHERE login_id AND generation``, generation + 1.

        What the answer left out stays as it was. The old refresh token is remembered as spent only
        if a different one came. An answer that names another identity is kept and an alarm is
        added to the trail. The same answer again changes nothing.

        Args:
            account: the account as it was when the attempt was armed.
            attempt_id: the attempt.
            event: ``TOKENS`` or ``JOURNAL_ANSWER``.
            tokens: what came.
            audit: the record of the rotation.

        Returns:
            The account as it now is, this answer included; ``None`` when the answer was late and
            lies sealed as an orphan.

        Raises:
            Unsafe: the old tokens are needed and do not open; nothing was written.
        """
        async with self._work(audit) as work:
            return await _commit.commit_tokens(work, account, attempt_id, event, tokens)

    async def settle(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        account: Account,
        attempt_id: str,
        event: Event,
        *,
        not_before_s: float = 0.0,
        failures: int,
        last_error: str,
        audit: AuditRecord,
    ) -> Account | None:
        """Record an outcome without tokens; the table says where it leads.

        Args:
            account: the account as it was when the attempt was armed.
            attempt_id: the attempt.
            event: ``NOT_SENT``, ``REFUSED``, ``TRY_LATER``, ``UNKNOWN`` or ``OWNER_GONE``.
            not_before_s: epoch seconds before which nothing is tried again.
            failures: failed attempts in a row, this one included.
            last_error: what to tell people; never a secret.
            audit: the record.

        Returns:
            The account as it now is; ``None`` when the event was late: nothing was written.
        """
        async with self._work(audit) as work:
            settled = await _rotation.settle(
                work,
                account,
                attempt_id,
                event,
                not_before_s=not_before_s,
                failures=failures,
                last_error=last_error,
            )
            if settled is None:
                await work.undo()
        return settled

    async def freeze(self, account: Account, last_error: str, audit: AuditRecord) -> Account | None:
        """Never exchange an account again until a new login, by an operator's order.

        Args:
            account: as the caller last saw it: active, or frozen before for the same reason.
            last_error: why.
            audit: the record.

        Returns:
            The account as it now is; ``None`` when it changed meanwhile, an exchange under way included.
        """
        async with self._work(audit) as work:
            frozen = await _rotation.freeze(work, account, last_error)
            if frozen is None:
                await work.undo()
        return frozen

    # Clients.

    async def add_client(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        name: str,
        key: ApiKey,
        audit: AuditRecord,
        *,
        accounts: AbstractSet[int],
        default_account: int | None = None,
        scopes: AbstractSet[str] = frozenset({"token"}),
        expires_at: float | None = None,
        ssh_keys: AbstractSet[str] = frozenset(),
    ) -> Client:
        """Store a client with the keyed hash of its API key.

        Args:
            name: checked by the caller.
            key: a new key (:func:`broker.domain.apikey.new_key`); its text is not stored.
            audit: the record.
            accounts: row ids of the accounts granted.
            default_account: one of them, or ``None``.
            scopes: of :data:`broker.domain.client.SCOPES`.
            expires_at: epoch seconds, or ``None`` for never.
            ssh_keys: fingerprints of its SSH keys.

        Raises:
            ConfigError: the name is taken (code ``client_exists``) or waits for an invite's code to be
                used (``invite_waiting``), the default is not granted, or an SSH key is another
                client's (``ssh_key_taken``).
            NotFound: an account is gone.
        """
        async with self._work(audit) as work:
            await _invites.check_free(work, name)
            return await _clients.add_client(
                work,
                name,
                key,
                granted=accounts,
                default_account=default_account,
                scopes=scopes,
                expires_at=expires_at,
                fingerprints=ssh_keys,
            )

    async def change_grants(
        self,
        client: int,
        audit: AuditRecord,
        *,
        add: AbstractSet[int] = _NONE,
        remove: AbstractSet[int] = _NONE,
        default_account: int | None = None,
    ) -> Client:
        """Grant and ungrant accounts, and set the default where one is given.

        A default that is no longer granted is dropped.

        Raises:
            NotFound: client or account are gone.
            ConfigError: the default is not granted.
        """
        async with self._work(audit) as work:
            return await _clients.change_grants(
                work, client, add=add, remove=remove, default_account=default_account
            )

    async def rotate_client(self, client: int, key: ApiKey, audit: AuditRecord) -> Client:
        """Put a new API key in place of the old one, at once; raises NotFound."""
        async with self._work(audit) as work:
            return await _clients.rotate_client(work, client, key)

    async def set_ssh_keys(self, client: int, ssh_keys: AbstractSet[str], audit: AuditRecord) -> Client:
        """Put SSH keys (fingerprints) in the place of a client's; raises as :meth:`add_client`."""
        async with self._work(audit) as work:
            return await _clients.set_ssh_keys(work, client, ssh_keys)

    async def revoke_client(self, client: int, audit: AuditRecord) -> Client:
        """Revoke a client's key for good, and codes for its devices; a second time changes no date."""
        async with self._work(audit) as work:
            revoked = await _clients.revoke_client(work, client)
            await _invites.end_invites(work, "revoked", name=revoked.name)
            return revoked
