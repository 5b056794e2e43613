"""PostgreSQL only: the log's table is cut by month (UTC), and the months' parts are made as records of them come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection

_FIRST, _LAST = 1971, 2199
"""A record of a clock that is far off goes into the table's default part."""


def month_of(millis: int) -> tuple[int, int] | None:
    """Year and month of a moment; ``None`` for one that is out of all reason."""
    try:
        moment = datetime.fromtimestamp(millis / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return (moment.year, moment.month) if _FIRST <= moment.year <= _LAST else None


def bounds(year: int, month: int) -> tuple[int, int]:
    """A month's first millisecond, and the next month's."""
    following = (year + month // 12, month % 12 + 1)
    first, last = (int(datetime(*one, 1, tzinfo=UTC).timestamp() * 1000) for one in ((year, month), following))
    return first, last


def ensure_months(connection: Connection, timestamps: Iterable[int]) -> None:
    """Make what is missing of the months that these moments fall into."""
    if connection.dialect.name != "postgresql":
        return
    for month in sorted({one for millis in timestamps if (one := month_of(millis)) is not None}):
        name = f"records_{month[0]}_{month[1]:02}"
        if connection.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is None:
            first, last = bounds(*month)
            connection.exec_driver_sql(f"CREATE TABLE {name} PARTITION OF records FOR VALUES FROM ({first}) TO ({last})")
