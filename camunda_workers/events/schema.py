"""The log's own table: append-only, one row per record.

What comes later fits beside it without touching a row: a hash chain is a table keyed by (partition, position) over the exact bytes of
``json``; personal data leaves through a copy into a payload table before that chain begins; PostgreSQL partitions the table by ``timestamp``.
The columns are only what the log itself is searched by; everything else is a projection's business.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, MetaData, Table, Text, event, text

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("record_type", Text, nullable=False),
    Column("value_type", Text, nullable=False),
    Column("intent", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("process_instance_key", BigInteger),
    # Set on the first record of a called process instance only: it is how the log alone finds the instances a case consists of.
    Column("parent_instance_key", BigInteger),
    Column("element_id", Text),
    Column("business_id", Text),
    Column("json", Text, nullable=False),
)

# Sparse indexes: most records have no parent and no business id, and none of them pays for the index then.
Index("records_by_process_instance", records.c.process_instance_key, sqlite_where=records.c.process_instance_key.is_not(None))
Index("records_by_parent", records.c.parent_instance_key, sqlite_where=records.c.parent_instance_key.is_not(None))
Index("records_by_business_id", records.c.business_id, sqlite_where=records.c.business_id.is_not(None))
IS_PROCESS: Final = "value_type = 'PROCESS'"
"""Spelled out, not bound: SQLite uses a partial index only for a query that says the same words."""
Index("records_of_processes", records.c.key, sqlite_where=text(IS_PROCESS))

for _verb in ("UPDATE", "DELETE"):
    event.listen(
        records,
        "after_create",
        DDL(
            f"CREATE TRIGGER records_refuse_{_verb.lower()} BEFORE {_verb} ON records "
            "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )

INSERT_RECORD: Final = (
    "INSERT INTO records (partition, position, timestamp, record_type, value_type, intent, key, process_instance_key, parent_instance_key, "
    "element_id, business_id, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""The hot path, in the driver's own words: SQLAlchemy's per-row parameter processing costs more than SQLite's insert does."""
