"""Device logins to the broker: requests that wait for a person, and invites that only approve them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table, and note for each invite what it is for and how often it came with a wrong code."""
    op.add_column("invites", sa.Column("device", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("invites", sa.Column("wrong", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("invites", sa.Column("held_until", sa.Double(), nullable=True))
    op.create_table(
        "device_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=True),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("limited_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("invite", sa.Integer(), nullable=True),
        sa.Column("client", sa.Integer(), nullable=True),
        sa.Column("account", sa.Integer(), nullable=True),
        sa.Column("machine", sa.String(length=64), nullable=False),
        sa.Column("credential", sa.Integer(), nullable=True),
        _refers("invite", "invites", "SET NULL"),
        _refers("client", "clients", "CASCADE"),
        _refers("account", "accounts", "CASCADE"),
        _refers("credential", "machines", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_device_requests"),
        *(_unique(f"{what}_hash") for what in ("device", "user", "code", "ticket")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_device_requests_limited_by", "device_requests", ["limited_by"])
    op.create_index("ix_device_requests_expires_at", "device_requests", ["expires_at"])


def _refers(column: str, table: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_device_requests_{column}_{table}"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=on_delete)


def _unique(column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=f"uq_device_requests_{column}")
