"""The log: records, contents that may be erased, tree, chains, checkpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_RECORDS = (
    "seq bigint NOT NULL, partition integer NOT NULL, position bigint NOT NULL, timestamp bigint NOT NULL, record_type text NOT NULL, "
    "value_type text NOT NULL, intent text NOT NULL, key bigint NOT NULL, process_instance_key bigint, parent_instance_key bigint, "
    "element_id text, business_id text, sealed smallint NOT NULL, json text NOT NULL"
)
_REFUSE = (
    "CREATE FUNCTION event_log_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'DELETE' AND OLD.seq < (SELECT archived_to FROM log_state) THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION 'the event log is append-only'; END $$"
)

_SQLITES_WORDS = (
    "CREATE FUNCTION instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT strpos($1, $2)'",
    "CREATE FUNCTION json_each(text) RETURNS TABLE (value text) LANGUAGE sql IMMUTABLE STRICT AS 'SELECT json_array_elements_text($1::json)'",
    "CREATE FUNCTION json_array_length(text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT json_array_length($1::json)'",
)
"""Searches are written once, in functions that both databases have then."""


def upgrade() -> None:
    """Make the tables."""
    if op.get_bind().dialect.name == "postgresql":
        _records_by_month()
    else:
        _records()
    op.create_table(
        "payloads",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("part", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tiles",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.Column("chains", sa.LargeBinary),
    )
    op.create_table(
        "heads",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("link", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("log_id", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("archived_to", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table("fact_ids", sa.Column("id", sa.Text, primary_key=True), sa.Column("position", sa.BigInteger, nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TRIGGER payloads_refuse BEFORE UPDATE ON payloads FOR EACH ROW EXECUTE FUNCTION event_log_refuses()")
    else:
        op.execute(
            "CREATE TRIGGER payloads_refuse_update BEFORE UPDATE ON payloads BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
        )


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("record_type", sa.Text, nullable=False),
        sa.Column("value_type", sa.Text, nullable=False),
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("key", sa.BigInteger, nullable=False),
        sa.Column("process_instance_key", sa.BigInteger),
        sa.Column("parent_instance_key", sa.BigInteger),
        sa.Column("element_id", sa.Text),
        sa.Column("business_id", sa.Text),
        sa.Column("sealed", sa.SmallInteger, nullable=False),
        sa.Column("json", sa.Text, nullable=False),
    )
    op.create_index("records_by_position", "records", ["partition", "position"], unique=True)
    for name, column in (
        ("records_by_process_instance", "process_instance_key"),
        ("records_by_parent", "parent_instance_key"),
        ("records_by_business_id", "business_id"),
    ):
        op.create_index(name, "records", [column], sqlite_where=sa.text(f"{column} IS NOT NULL"))
    op.create_index("records_of_processes", "records", ["key"], sqlite_where=sa.text("value_type = 'PROCESS'"))
    op.create_index("records_of_erasures", "records", ["seq"], sqlite_where=sa.text("value_type = 'ERASURE'"))
    op.execute(
        "CREATE TRIGGER records_refuse_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER records_refuse_delete BEFORE DELETE ON records WHEN OLD.seq >= (SELECT archived_to FROM log_state) "
        "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
    )


def _records_by_month() -> None:
    """A part for each month is made as its first record comes; what lies out of all reason goes into the default part."""
    op.execute(f"CREATE TABLE records ({_RECORDS}, PRIMARY KEY (seq, timestamp)) PARTITION BY RANGE (timestamp)")
    op.execute("CREATE TABLE records_undated PARTITION OF records DEFAULT")
    for statement in (
        "CREATE INDEX records_by_position ON records (partition, position)",
        "CREATE INDEX records_by_process_instance ON records (process_instance_key) WHERE process_instance_key IS NOT NULL",
        "CREATE INDEX records_by_parent ON records (parent_instance_key) WHERE parent_instance_key IS NOT NULL",
        "CREATE INDEX records_by_business_id ON records (business_id) WHERE business_id IS NOT NULL",
        "CREATE INDEX records_of_processes ON records (key) WHERE value_type = 'PROCESS'",
        "CREATE INDEX records_of_erasures ON records (seq) WHERE value_type = 'ERASURE'",
    ):
        op.execute(statement)
    for statement in (_REFUSE, *_SQLITES_WORDS):
        op.execute(statement)
    op.execute("CREATE TRIGGER records_refuse BEFORE UPDATE OR DELETE ON records FOR EACH ROW EXECUTE FUNCTION event_log_refuses()")
