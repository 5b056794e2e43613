"""The hot path, in each driver's own words: SQLAlchemy's per-row parameter processing costs more than the insert does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
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


def put_rows(connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Insert rows; where the key is there already, set these columns.

    Args:
        connection: within a transaction.
        table: which.
        names: columns beside the key.
        rows: the key's values, then those of the columns; each key once.
    """
    _run(connection, _put(table, names, connection.dialect.name), rows)


def patch_rows(connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Set columns of rows that are there; arguments as for `put_rows`."""
    if names:
        _run(connection, _patch(table, names, connection.dialect.name), rows)


def _run(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    if connection.dialect.name == "postgresql":
        # One statement for all rows, each column an array: the server plans once, and nothing goes to and fro for each row.
        connection.connection.cursor().execute(statement, [list(values) for values in zip(*rows, strict=True)])
    else:
        connection.connection.cursor().executemany(statement, rows)


@lru_cache(maxsize=1000)
def _put(table: Table, names: tuple[str, ...], dialect: str) -> str:
    keys = [column.name for column in table.primary_key]
    columns = [*keys, *names]
    into = f'INSERT INTO "{table.name}" ({_listed(columns)})'
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
    conflict = f"ON CONFLICT ({_listed(keys)}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"
    if dialect == "postgresql":
        return f"{into} SELECT * FROM unnest({_arrays(table, columns)}) {conflict}"
    return f"{into} VALUES ({', '.join('?' * len(columns))}) {conflict}"


@lru_cache(maxsize=1000)
def _patch(table: Table, names: tuple[str, ...], dialect: str) -> str:
    keys = [column.name for column in table.primary_key]
    columns = [*keys, *names]
    if dialect == "postgresql":
        sets = ", ".join(f'"{name}" = given."{name}"' for name in names)
        same = " AND ".join(f'"{table.name}"."{key}" = given."{key}"' for key in keys)
        return f'UPDATE "{table.name}" SET {sets} FROM unnest({_arrays(table, columns)}) AS given ({_listed(columns)}) WHERE {same}'
    # Numbered: the row has the key first.
    same = " AND ".join(f'"{key}" = ?{at}' for at, key in enumerate(keys, 1))
    sets = ", ".join(f'"{name}" = ?{at}' for at, name in enumerate(names, len(keys) + 1))
    return f'UPDATE "{table.name}" SET {sets} WHERE {same}'


def _listed(names: Sequence[str]) -> str:
    # Names are ours, values are bound.
    return ", ".join(f'"{name}"' for name in names)


def _arrays(table: Table, columns: Sequence[str]) -> str:
    dialect = postgresql.dialect()
    return ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in columns)
