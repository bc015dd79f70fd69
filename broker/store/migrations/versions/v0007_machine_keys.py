"""Which API key a machine credential came from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; those that are there came from no key."""
    op.add_column("machines", sa.Column("from_key", sa.String(length=32), nullable=True))
