"""Mails that may be answered with a decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a store that was made with it before it had a version keeps it."""
    if "task_replies" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "task_replies",
        sa.Column("nonce_hash", sa.Text, primary_key=True),
        sa.Column("task_key", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("offer", sa.JSON, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=True),
        sa.Column("answers", sa.Integer, nullable=False),
    )
