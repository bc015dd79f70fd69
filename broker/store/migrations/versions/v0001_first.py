"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("identity", sa.String(length=512)),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("plan_type", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("login_id", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("restored", sa.Boolean(), nullable=False),
        sa.Column("adopting", sa.Boolean(), nullable=False),
        sa.Column("replay_used", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("source_path", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.String(length=64)),
        sa.Column("journal_id", sa.Text()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("not_before_s", sa.Double(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.Double()),
        sa.Column("expires_at", sa.Double()),
        sa.Column("refresh_after", sa.Double(), nullable=False),
        sa.Column("access_box", sa.LargeBinary(), nullable=False),
        sa.Column("refresh_box", sa.LargeBinary()),
        sa.Column("id_box", sa.LargeBinary()),
        sa.Column("fingerprint", sa.LargeBinary()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("fingerprint", name="uq_accounts_fingerprint"),
        sa.UniqueConstraint("identity", name="uq_accounts_identity"),
        sa.UniqueConstraint("login_id", name="uq_accounts_login_id"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_accounts_revision", "accounts", ["revision"])
    op.create_index("ix_accounts_state", "accounts", ["state"])
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("text", sa.Text()),
        sa.Column("box", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "orphans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("login_id", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=64), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orphans"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "removed",
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_removed"),
    )
    op.create_table(
        "spent",
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("login_id", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_spent"),
    )
    op.create_table(
        "adopted",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("login_id", sa.String(length=32), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name="fk_adopted_account_accounts", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_adopted"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_adopted_account", "adopted", ["account"])
    op.create_table(
        "clients",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("default_account", sa.Integer()),
        sa.Column("expires_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["default_account"],
            ["accounts.id"],
            name="fk_clients_default_account_accounts",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
        sa.UniqueConstraint("key_id", name="uq_clients_key_id"),
        sa.UniqueConstraint("name", name="uq_clients_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clients_revision", "clients", ["revision"])
    op.create_table(
        "grants",
        sa.Column("client", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name="fk_grants_account_accounts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["client"], ["clients.id"], name="fk_grants_client_clients", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client", "account", name="pk_grants"),
    )
    op.create_index("ix_grants_account", "grants", ["account"])
