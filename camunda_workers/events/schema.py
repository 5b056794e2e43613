"""The log's own tables: append-only, one row per record.

A row is what the hashes are over: the columns that the log is searched by, and the record's text without what may have to be erased; that
is in ``payloads``. ``tiles`` is the Merkle tree, ``heads`` the partitions' chains, ``checkpoints`` what was signed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Table, Text, event, text

metadata = MetaData()

VERSION: Final = "0003"
"""The newest of the migrations in `camunda_workers.events.migrations`."""

BIG: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row number is an INTEGER by name

records = Table(
    "records",
    metadata,
    # The record's place in the log, over all partitions: its leaf in the tree.
    Column("seq", BIG, primary_key=True, autoincrement=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
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
    # How many contents were taken out of the text.
    Column("sealed", SmallInteger, nullable=False),
    Column("json", Text, nullable=False),
    postgresql_partition_by="RANGE (timestamp)",
)

Index("records_by_position", records.c.partition, records.c.position, unique=True)
# Sparse indexes: most records have no parent and no business id, and none of them pays for the index then.
Index("records_by_process_instance", records.c.process_instance_key, sqlite_where=records.c.process_instance_key.is_not(None))
Index("records_by_parent", records.c.parent_instance_key, sqlite_where=records.c.parent_instance_key.is_not(None))
Index(
    # With all that says which process instances a case has, or whether a record is one of our own facts.
    "records_by_business_id", records.c.business_id, records.c.process_instance_key, records.c.partition,
    sqlite_where=records.c.business_id.is_not(None),
)  # fmt: skip
IS_PROCESS: Final = "value_type = 'PROCESS'"
"""Spelled out, not bound: SQLite uses a partial index only for a query that says the same words."""
Index("records_of_processes", records.c.key, sqlite_where=text(IS_PROCESS), postgresql_where=text(IS_PROCESS))
IS_ERASURE: Final = "value_type = 'ERASURE'"
Index("records_of_erasures", records.c.seq, sqlite_where=text(IS_ERASURE), postgresql_where=text(IS_ERASURE))
IS_JOB_BATCH: Final = "value_type = 'JOB_BATCH'"
Index(
    "records_of_job_batches", records.c.partition, records.c.position, sqlite_where=text(IS_JOB_BATCH), postgresql_where=text(IS_JOB_BATCH)
)

DEFINITIONS: Final = ("PROCESS", "FORM", "DECISION", "DECISION_REQUIREMENTS", "RESOURCE", "ERASURE", "ARCHIVE")
"""Kinds of records that stay when older ones are archived: without them, what comes later could not be told."""

payloads = Table(
    "payloads",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Contents that may be erased: the only rows of the log that can go."""

tiles = Table(
    "tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    # On the lowest level, once the tile is full: where each partition's chain was behind its last record.
    Column("chains", LargeBinary),
)
"""The Merkle tree: 256 hashes a row, of height 8 x level, as in C2SP's tlog-tiles."""

heads = Table(
    "heads",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("link", LargeBinary, nullable=False),
)

state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("log_id", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    # Records below this were archived: their rows may be removed, their hashes stay.
    Column("archived_to", BigInteger, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

timestamps = Table(
    "timestamps",
    metadata,
    # The checkpoint that was stamped.
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("authority", Text, nullable=False),
    # The authority's whole answer (TimeStampResp, DER): what 'openssl ts -verify' reads.
    Column("response", LargeBinary, nullable=False),
)
"""Checkpoints that a time-stamping authority has seen (RFC 3161)."""

fact_ids = Table(
    "fact_ids",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""Facts of our own that were given a name, so that recording one twice adds it once."""

versions = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

REFUSALS: Final = (
    "CREATE TRIGGER records_refuse_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
    "CREATE TRIGGER records_refuse_delete BEFORE DELETE ON records WHEN OLD.seq >= (SELECT archived_to FROM log_state) "
    "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
    "CREATE TRIGGER payloads_refuse_update BEFORE UPDATE ON payloads BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END",
)
"""What the database itself refuses (SQLite)."""

for _table, _statements in ((records, REFUSALS[:2]), (payloads, REFUSALS[2:])):
    for _statement in _statements:
        event.listen(_table, "after_create", DDL(_statement).execute_if(dialect="sqlite"))

RECORD_COLUMNS: Final = tuple(column.name for column in records.c)
PAYLOAD_COLUMNS: Final = tuple(column.name for column in payloads.c)

ENTRY_COLUMNS: Final = (
    "partition", "position", "timestamp", "record_type", "value_type", "intent", "key",
    "process_instance_key", "parent_instance_key", "element_id", "business_id",
)  # fmt: skip
"""The first line of an entry, in this order, with tabs between them; the second line is the text."""
ENTRY: Final = slice(1, 1 + len(ENTRY_COLUMNS))
"""Where they stand in a row."""
assert RECORD_COLUMNS[ENTRY] == ENTRY_COLUMNS

_NUMBERS: Final = {"partition", "position", "timestamp", "key"}
_FORMAT: Final = "\t".join("%d" if name in _NUMBERS else "%s" for name in ENTRY_COLUMNS) + "\n%s"
ENTRY_SQL: Final = f"printf('{_FORMAT}', {', '.join(ENTRY_COLUMNS)}, json)"
"""An entry in SQL (SQLite): put together there, it costs a fraction of what it costs here."""
