"""The tables. Times are epoch seconds; tokens stand in sealed boxes only."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

__all__ = [
    "accounts",
    "adopted",
    "audit",
    "audit_heads",
    "clients",
    "device_requests",
    "grants",
    "invite_grants",
    "invites",
    "machines",
    "meta",
    "metadata",
    "orphans",
    "removed",
    "spent",
    "ssh_keys",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("number", Integer),
    Column("text", Text),
    Column("box", LargeBinary),
)
"""Single values: ``changes`` (the change counter), ``store_id``, ``hash_root`` (sealed)."""

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("account_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("identity", String(512), unique=True),
    Column("email", Text, nullable=False),
    Column("plan_type", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("login_id", String(32), nullable=False, unique=True),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("disabled", Boolean, nullable=False),
    Column("restored", Boolean, nullable=False),
    Column("adopting", Boolean, nullable=False),
    Column("replay_used", Boolean, nullable=False),
    Column("source", String(16), nullable=False),
    Column("source_path", Text, nullable=False),
    Column("attempt_id", String(64)),
    Column("journal_id", Text),
    Column("lease_until", Double),
    Column("not_before_s", Double, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("issued_at", Double),
    Column("expires_at", Double),
    Column("refresh_after", Double, nullable=False),
    Column("access_box", LargeBinary, nullable=False),
    Column("refresh_box", LargeBinary),
    Column("id_box", LargeBinary),
    Column("fingerprint", LargeBinary, unique=True),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""``identity`` is NULL where the tokens name neither account nor user; ``fingerprint`` is a keyed
hash of the refresh token held, NULL for a login that is access only."""

clients = Table(
    "clients",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("key_id", String(32), nullable=False, unique=True),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("default_account", ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
)

invites = Table(
    "invites",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("code_id", String(32), nullable=False, unique=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("default_account", ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("expires_at", Double, nullable=False),
    Column("ended", String(32), nullable=False),
    Column("used_at", Double),
    Column("nonce_hash", LargeBinary),
    Column("client", ForeignKey("clients.id", ondelete="SET NULL")),
    Column("created_at", Double, nullable=False),
    Column("device", Boolean, nullable=False, server_default=false()),
    Column("wrong", Integer, nullable=False, server_default="0"),
    Column("held_until", Double),
    sqlite_autoincrement=True,
)
"""Codes that make a client each, or with ``device`` let a client's machine in; ``ended`` says why one does
not count any more."""

invite_grants = Table(
    "invite_grants",
    metadata,
    Column("invite", ForeignKey("invites.id", ondelete="CASCADE"), primary_key=True),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False, index=True),
)
"""What each client may show at the SSH front door (:mod:`broker.domain.sshkey`)."""

machines = Table(
    "machines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("key_id", String(32), nullable=False, unique=True),
    Column("key_hash", LargeBinary, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("created_at", Double, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
    Column("from_key", String(32)),
    sqlite_autoincrement=True,
)
"""Machine credentials. ``last_used_at`` is written now and then, and counts as no change; ``from_key`` is
the id of the API key that was exchanged for one."""

device_requests = Table(
    "device_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device_hash", LargeBinary, nullable=False, unique=True),
    Column("user_hash", LargeBinary, nullable=False, unique=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    Column("ticket_hash", LargeBinary, unique=True),
    Column("client_id", String(255), nullable=False),
    Column("address", Text, nullable=False),
    Column("limited_by", Text, nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("wrong", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("invite", ForeignKey("invites.id", ondelete="SET NULL")),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE")),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("machine", String(64), nullable=False),
    Column("credential", ForeignKey("machines.id", ondelete="SET NULL")),
    sqlite_autoincrement=True,
)
"""Device logins: those that wait for a person, and for replays of their codes those that brought a
credential."""

spent = Table(
    "spent",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("login_id", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("account", Integer, nullable=False),
    Column("at", Double, nullable=False),
)
"""Refresh tokens exchanged here for a different one. Outlives its account, so no foreign key."""

orphans = Table(
    "orphans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("account", Integer, nullable=False),
    Column("login_id", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempt_id", String(64), nullable=False),
    Column("box", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Token answers that came too late for their row."""

adopted = Table(
    "adopted",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("login_id", String(32), nullable=False),
    Column("box", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Sealed copies of files as they were before they were made access-only."""

removed = Table(
    "removed",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),
    Column("row", Integer, nullable=False),
)
"""Which accounts and clients were removed at which revision, for readers that follow changes."""

audit = Table(
    "audit",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("action", String(32), nullable=False),
    Column("client", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("ix_audit_at", "at"),
    sqlite_with_rowid=False,
)
"""The trail, as chains (:mod:`broker.domain.chain`)."""

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
"""The newest record of each chain. Its row is what writers of one chain take turns by."""
