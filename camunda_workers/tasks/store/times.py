"""Times as the store keeps them."""

from __future__ import annotations

from datetime import UTC, datetime


def millis(when: datetime) -> int:
    """Milliseconds since 1970 (UTC)."""
    return round(when.timestamp() * 1000)


def moment(value: int) -> datetime:
    """The time of so many milliseconds since 1970 (UTC)."""
    return datetime.fromtimestamp(value / 1000, UTC)
