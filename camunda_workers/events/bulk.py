"""The hot path, in each driver's own words: SQLAlchemy's per-row parameter processing costs more than the insert does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Sequence[Any]


def insert_rows(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert many rows."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = ", ".join(f'"{name}"' for name in columns)
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join("?" * len(columns))
    names = ", ".join(f'"{name}"' for name in columns)
    # Names are ours, values are bound.
    connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({places})", [tuple(row) for row in rows])


def upsert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows; where the key is there already, set the other columns."""
    given = list(rows)
    if not given:
        return
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in given[0] if name not in keys}
    done = statement.on_conflict_do_update(index_elements=keys, set_=others) if others else statement.on_conflict_do_nothing()
    connection.execute(done, given)
