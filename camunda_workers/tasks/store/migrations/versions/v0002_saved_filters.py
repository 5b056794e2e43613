"""Filters that people keep under a name."""

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
        "task_filters",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("query", sa.JSON, nullable=False),
        sa.Column("saved_at", sa.BigInteger, nullable=False),
    )
