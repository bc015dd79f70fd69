"""Invites: codes that make a client each."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "invites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("code_id", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("default_account", sa.Integer()),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("ended", sa.String(length=32), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.Column("nonce_hash", sa.LargeBinary()),
        sa.Column("client", sa.Integer()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["default_account"],
            ["accounts.id"],
            name="fk_invites_default_account_accounts",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["client"], ["clients.id"], name="fk_invites_client_clients", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_invites"),
        sa.UniqueConstraint("code_id", name="uq_invites_code_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_invites_name", "invites", ["name"])
    op.create_table(
        "invite_grants",
        sa.Column("invite", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name="fk_invite_grants_account_accounts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["invite"], ["invites.id"], name="fk_invite_grants_invite_invites", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("invite", "account", name="pk_invite_grants"),
    )
    op.create_index("ix_invite_grants_account", "invite_grants", ["account"])
