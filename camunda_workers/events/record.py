"""One record of the engine: a fact (event), a wish (command) or a refused wish (rejection).

The shape is that of Zeebe's exporters: an envelope (position, key, timestamp, value type, intent ...) around a ``value`` whose fields depend
on the value type. Fields that are not known here are kept, because newer engines add some with every version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from pydantic_core import from_json

from camunda_workers.client.business_id import business_id_of
from camunda_workers.errors import ReadModelError


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is in the log.

    Attributes:
        timestamp: when the engine wrote it, in milliseconds since 1970 (UTC).
        value: the fields of its value type, as the engine names them.
        authorizations: who asked for it, where the engine knows.
    """

    partition: int
    position: int
    source_position: int
    key: int
    timestamp: int
    record_type: str
    value_type: str
    intent: str
    rejection_type: str
    rejection_reason: str
    value: Mapping[str, Any]
    authorizations: Mapping[str, Any]
    text: str

    @property
    def time(self) -> datetime:
        """When the engine wrote it (UTC)."""
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)

    @property
    def is_event(self) -> bool:
        """Whether this happened (an event), rather than being wished for or refused."""
        return self.record_type == "EVENT"

    @property
    def process_instance_key(self) -> int | None:
        """The process instance this belongs to, if it belongs to one."""
        return known_key(self.value.get("processInstanceKey"))

    @property
    def element_id(self) -> str | None:
        """The BPMN element this is about, if it is about one."""
        return self.value.get("elementId") or self.value.get("targetElementId") or None

    @property
    def business_id(self) -> str | None:
        """The business id, on records that carry one (process instances, their creation, jobs)."""
        return self.value.get("businessId") or business_id_of(cast("Iterable[str]", self.value.get("tags") or ()))

    @property
    def parent_process_instance_key(self) -> int | None:
        """The calling process instance, on records of a called one."""
        return known_key(self.value.get("parentProcessInstanceKey"))


def known_key(value: Any) -> int | None:
    """The key, or ``None`` where the engine wrote none."""
    return value if isinstance(value, int) and value > 0 else None


def partition_of(key: int) -> int:
    """The partition that the engine made a key in: its upper 13 bits. Keys of those who count otherwise are of the first."""
    return (key >> 51) or 1


def parse_record(line: bytes | str) -> Record:
    """Read one record.

    Raises:
        ReadModelError: it is not JSON, or not a record; the text says where.
    """
    try:
        raw = from_json(line)
        text = line if isinstance(line, str) else line.decode()
    except ValueError as error:
        raise ReadModelError(f"a record is not JSON ({error}): {_start_of(line)}") from error
    try:
        return Record(
            partition=raw["partitionId"],
            position=raw["position"],
            source_position=raw.get("sourceRecordPosition", -1),
            key=raw["key"],
            timestamp=raw["timestamp"],
            record_type=raw["recordType"],
            value_type=raw["valueType"],
            intent=raw["intent"],
            rejection_type=raw.get("rejectionType", ""),
            rejection_reason=raw.get("rejectionReason", ""),
            value=raw.get("value") or {},
            authorizations=raw.get("authorizations") or {},
            text=text,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ReadModelError(f"this JSON is not a record of the engine (no {error}): {_start_of(line)}") from error


def _start_of(line: bytes | str) -> str:
    text = line if isinstance(line, str) else line.decode(errors="replace")
    return text[:120] + ("…" if len(text) > 120 else "")
