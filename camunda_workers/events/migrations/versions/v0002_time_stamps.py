"""Time stamps of checkpoints, by an authority of others (RFC 3161)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "timestamps",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
    )
