"""The audit trail as chains; records so far keep their order under the empty name."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_FIELDS = ("at", "action", "client", "account", "peer", "request_id", "outcome", "detail")


def upgrade() -> None:
    """Make the table anew, since its primary key is another, and carry its rows over."""
    op.drop_index("ix_audit_at", "audit")
    op.rename_table("audit", "audit_0001")
    op.create_table(
        "audit",
        sa.Column("chain", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name="pk_audit"),
        sqlite_with_rowid=False,
    )
    old = sa.table("audit_0001", sa.column("id"), *(sa.column(name) for name in _FIELDS))
    new = sa.table("audit", *(sa.column(name) for name in ("chain", "seq", *_FIELDS, "mac")))
    carried = sa.select(sa.literal(""), old.c.id, *(old.c[name] for name in _FIELDS), sa.literal(b""))
    op.execute(sa.insert(new).from_select([column.name for column in new.c], carried))
    op.drop_table("audit_0001")
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_heads"),
    )
