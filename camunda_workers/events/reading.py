"""Records as they came in: the log's text with what lies apart put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from camunda_workers.events.chain.sealing import unseal
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import payloads, records

TEXT_COLUMNS: Final = (records.c.seq, records.c.position, records.c.sealed, records.c.json)
"""What `texts` needs of a row."""

_BOUND_AT_ONCE: Final = 500  # SQLite takes only so many bound values in one statement
_SPARSE: Final = 4


def read_texts(connection: Connection, query: Select[Any, Any, Any, Any]) -> list[tuple[Any, str]]:
    """The rows of a query over `TEXT_COLUMNS`, each with its whole text."""
    rows = connection.execute(query).all()
    return list(zip(rows, texts(connection, rows), strict=True))


def read_records(connection: Connection, query: Select[Any, Any, Any, Any]) -> list[Record]:
    """The records that a query over `TEXT_COLUMNS` finds."""
    return [parse_record(text) for _, text in read_texts(connection, query)]


def texts(connection: Connection, rows: Sequence[Any]) -> list[str]:
    """The whole text of each row; what was erased reads as nothing of its kind."""
    holes = {row.seq: row.sealed for row in rows if row.sealed}
    if not holes:
        return [row.json for row in rows]
    parts = contents(connection, sorted(holes))
    return [unseal(row.json, parts.get(row.seq, ()), row.sealed) if row.sealed else row.json for row in rows]


def contents(connection: Connection, seqs: Sequence[int]) -> dict[int, list[tuple[bytes, str]]]:
    """What lies apart of these records (ascending), by record, in the order of the places it was taken from."""
    c = payloads.c
    query = select(c.seq, c.salt, c.body).order_by(c.seq, c.part)
    found: dict[int, list[tuple[bytes, str]]] = {}
    spans: list[Any] = []
    if seqs and seqs[-1] - seqs[0] < _SPARSE * len(seqs):
        spans.append(c.seq.between(seqs[0], seqs[-1]))
    else:
        spans += [c.seq.in_(seqs[start : start + _BOUND_AT_ONCE]) for start in range(0, len(seqs), _BOUND_AT_ONCE)]
    for span in spans:
        for seq, salt, body in connection.execute(query.where(span)):
            found.setdefault(seq, []).append((bytes(salt), body))
    return found
