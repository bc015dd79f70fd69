"""SSH keys of clients, by their fingerprints."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table; its primary key is what lets one key belong to one client only."""
    op.create_table(
        "ssh_keys",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("client", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client"], ["clients.id"], name="fk_ssh_keys_client_clients", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_ssh_keys"),
    )
    op.create_index("ix_ssh_keys_client", "ssh_keys", ["client"])
