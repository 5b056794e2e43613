"""Where the content of an attached file is; what was attached before stays in the task store's folder."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a store that was made with them before it had a version keeps them."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("task_attachments")}
    for name in ("store_id", "document_id", "content_hash"):
        if name not in there:
            op.add_column("task_attachments", sa.Column(name, sa.Text, nullable=True))
