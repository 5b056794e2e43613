"""What a projection is: a pure fold from records to row changes, and the tables the rows are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from camunda_workers.events.record import Record
from camunda_workers.events.schema import BIG

metadata = MetaData()

positions = Table(
    "projection_positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)
"""How far each projection has come, written in the same transaction as its rows."""


@dataclass(frozen=True, slots=True)
class Put:
    """The row with this key has these values; made if it is not there, other columns stay as they are."""

    table: Table
    key: int | tuple[int | str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """The row with this key has these values, if it is there."""

    table: Table
    key: int | tuple[int | str, ...]
    values: Mapping[str, Any]


Change = Put | Patch


@dataclass(frozen=True, slots=True)
class Projection:
    """A part of the read model.

    Attributes:
        name: what it is called in ``ReadModel.rebuild``.
        version: raised whenever ``fold`` or the tables change; a projection of another version is dropped and built anew.
        tables: its own tables; nothing else writes to them.
        folds: by value type, from one event to its changes; pure: no clock, no I/O, no look at rows already there.
    """

    name: str
    version: int
    tables: Sequence[Table]
    folds: Mapping[str, Callable[[Record], Iterable[Change]]]


DEFAULT_TENANT: Final = "<default>"


def column(name: str, kind: type[BigInteger | Integer | Text] = Text) -> Column[Any]:
    """A column that may stay empty: a log may begin in the middle of an instance's life."""
    return Column(name, kind)


def key_column(name: str) -> Column[Any]:
    """A table's key; in SQLite the row's own number, which needs no index beside the table and is in every index anyway."""
    return Column(name, BIG, primary_key=True, autoincrement=False)


def text_or_none(value: Any) -> str | None:
    """Text, where the engine writes an empty one for none."""
    return value if isinstance(value, str) and value else None


def epoch_or_none(value: Any) -> int | None:
    """A moment in milliseconds, where the engine writes -1 or 0 for none."""
    return value if isinstance(value, int) and value > 0 else None
