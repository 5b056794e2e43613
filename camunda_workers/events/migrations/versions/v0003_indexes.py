"""The workers' latest requests for jobs, and the process instances of a case, are found in an index alone."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.execute("CREATE INDEX records_of_job_batches ON records (partition, position) WHERE value_type = 'JOB_BATCH'")
    op.drop_index("records_by_business_id", "records")
    op.execute(
        "CREATE INDEX records_by_business_id ON records (business_id, process_instance_key, partition) WHERE business_id IS NOT NULL"
    )
