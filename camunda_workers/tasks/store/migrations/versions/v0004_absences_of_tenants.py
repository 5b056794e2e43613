"""Whose tasks an absence is about: those of some tenants. What was entered before is about all of them, as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a store that was made with it before it had a version keeps it."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("task_absences")}
    if "tenants" not in there:
        op.add_column("task_absences", sa.Column("tenants", sa.JSON(none_as_null=True), nullable=True))
