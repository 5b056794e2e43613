"""From a record to what the log keeps of it: a row, the contents that lie apart, and the hash over both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from camunda_workers.events.chain.sealing import Part, seal
from camunda_workers.events.record import Record

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record on its way into the log. ``row`` lacks the first column, its place."""

    position: int
    leaf: bytes
    row: Row
    parts: Sequence[Part]


def entry_of(record: Record) -> Entry:
    """What the log keeps of a record."""
    value = record.value
    text, parts = seal(record.text, value, record.value_type, record.partition)
    is_process_start = (
        record.intent == "ELEMENT_ACTIVATING" and record.value_type == "PROCESS_INSTANCE" and value.get("bpmnElementType") == "PROCESS"
    )
    instance = record.process_instance_key
    parent = record.parent_process_instance_key if is_process_start else None
    element_id, business_id = _plain(record.element_id), _plain(record.business_id)
    line = (
        f"{record.partition}\t{record.position}\t{record.timestamp}\t{record.record_type}\t{record.value_type}\t{record.intent}\t{record.key}\t"
        f"{instance or ''}\t{parent or ''}\t{element_id or ''}\t{business_id or ''}\n{text}"
    )
    row = (
        record.partition,
        record.position,
        record.timestamp,
        record.record_type,
        record.value_type,
        record.intent,
        record.key,
        instance,
        parent,
        element_id,
        business_id,
        len(parts),
        text,
    )
    return Entry(record.position, sha256(b"\x00" + line.encode()).digest(), row, parts)


def _plain(text: str | None) -> str | None:
    """A text to search by. One with control characters is left out: the entry's first line has a tab between two fields, and nowhere else."""
    if not text or (not text.isprintable() and any(character < " " for character in text)):
        return None
    return text
