"""Moments as the engine writes them, as the tables keep them (milliseconds since 1970, UTC) and as REST shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_ZONE_NAME = re.compile(r"\[[^\]]*\]$")


def to_millis(text: str) -> int:
    """An ISO 8601 moment in milliseconds; one without an offset is UTC; Java's zone name behind the offset is left out.

    Raises:
        ValueError: it is not such a moment.
    """
    moment = datetime.fromisoformat(_ZONE_NAME.sub("", text.strip()))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole_seconds = moment.replace(microsecond=0)
    return round(whole_seconds.timestamp()) * 1000 + moment.microsecond // 1000


def millis_or_none(text: object) -> int | None:
    """As `to_millis`, ``None`` where there is no moment or not one that can be read (an engine never refuses it, so neither do we)."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return to_millis(text)
    except ValueError:
        return None


def to_iso(millis: int) -> str:
    """As Camunda's REST API shows it: ISO 8601, UTC, milliseconds."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_or_none(text: object) -> datetime | None:
    """As `millis_or_none`, as a moment (UTC)."""
    millis = millis_or_none(text)
    return datetime.fromtimestamp(millis / 1000, UTC) if millis is not None else None
