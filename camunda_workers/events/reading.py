"""Records as they came in: the log's text with what lies apart put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, text

from camunda_workers.events.chain.sealing import unseal
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import records

TEXT_COLUMNS: Final = (records.c.seq, records.c.position, records.c.sealed, records.c.json)
"""What `texts` needs of a row."""

_BOUND_AT_ONCE: Final = 500  # SQLite takes only so many bound values in one statement
_SPARSE: Final = 4
_CONTENTS: Final = "SELECT seq, salt, body FROM payloads WHERE seq"
_BETWEEN: Final = text(f"{_CONTENTS} BETWEEN :first AND :last ORDER BY seq, part")
_AMONG: Final = text(f"{_CONTENTS} IN :seqs ORDER BY seq, part").bindparams(bindparam("seqs", expanding=True))


def read_records(connection: Connection, query: Select[Any, Any, Any, Any]) -> list[Record]:
    """The records that a query over `TEXT_COLUMNS` finds."""
    return [parse_record(line) for line in texts(connection, connection.execute(query).all())]


def texts(connection: Connection, rows: Sequence[Any]) -> list[str]:
    """The whole text of each row; what was erased reads as nothing of its kind."""
    holes = {row.seq: row.sealed for row in rows if row.sealed}
    if not holes:
        return [row.json for row in rows]
    parts = contents(connection, sorted(holes))
    return [unseal(row.json, parts.get(row.seq, ()), row.sealed) if row.sealed else row.json for row in rows]


def contents(connection: Connection, seqs: Sequence[int]) -> dict[int, list[tuple[bytes, str]]]:
    """What lies apart of these records (ascending), by record, in the order of the places it was taken from."""
    found: dict[int, list[tuple[bytes, str]]] = {}
    if seqs and seqs[-1] - seqs[0] < _SPARSE * len(seqs):
        rows = connection.execute(_BETWEEN, {"first": seqs[0], "last": seqs[-1]}).all()
    else:
        some = (seqs[start : start + _BOUND_AT_ONCE] for start in range(0, len(seqs), _BOUND_AT_ONCE))
        rows = [row for part in some for row in connection.execute(_AMONG, {"seqs": part})]
    for seq, salt, body in rows:
        found.setdefault(seq, []).append((bytes(salt), body))
    return found
