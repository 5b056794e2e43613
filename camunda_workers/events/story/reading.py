"""What the log has of one case: first where it is, then all of it at once, and nothing that the story does not tell."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, and_, literal, or_, select, text

from camunda_workers.events.bpmn import Diagram, read_diagram
from camunda_workers.events.database import READERS
from camunda_workers.events.log import FACTS_PARTITION, instances_of
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.events.reading import TEXT_COLUMNS, read_records
from camunda_workers.events.record import Record, known_key, partition_of
from camunda_workers.events.schema import IS_PROCESS, records

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

_WORTH_SHARING: Final = 64
"""Records."""
_BOUND_AT_ONCE: Final = 500  # SQLite takes only so many bound values in one statement


@dataclass(frozen=True, slots=True)
class CaseRecords:
    """The records of a case.

    Attributes:
        keys: its process instances, in the order in which they began.
        records: events that are told, and our own facts, in the order of their moments.
        from_outside: positions of commands that set variables directly.
        diagrams: by process definition key.
    """

    keys: Sequence[int]
    records: Sequence[Record]
    from_outside: Collection[int]
    diagrams: Mapping[int, Diagram]


async def read_case(log: EventLog, business_id: str, keys: Sequence[int] | None, told: Collection[str]) -> CaseRecords:
    """Read a case.

    Args:
        log: where it is.
        business_id: the case; may be empty where ``keys`` are given.
        keys: its process instances; ``None``: those with the business id, and those they called.
        told: value types of events that are wanted.
    """
    keys, places = await log.database.read(lambda connection: _places(connection, business_id, keys))
    if not keys:
        return CaseRecords((), (), (), {})
    # A case's records lie all over a large file. Several readers wait for the disk at the same time.
    share = max(-(-len(places) // READERS), _WORTH_SHARING)
    parts = [places[start : start + share] for start in range(0, len(places), share)]
    read = await asyncio.gather(*(log.database.read(lambda connection, part=part: _records(connection, part, told)) for part in parts))
    partitions = {FACTS_PARTITION, *map(partition_of, keys)}
    # Each partition's own order where moments are the same; facts come last.
    found = sorted(
        (record for some in read for record in some if record.partition in partitions),
        key=lambda one: (one.timestamp, one.partition == FACTS_PARTITION, one.partition, one.position),
    )
    return await log.database.read(
        lambda connection: CaseRecords(keys, found, _set_directly(connection, found), _diagrams(connection, found))
    )


def _places(connection: Connection, business_id: str, keys: Sequence[int] | None) -> tuple[Sequence[int], list[tuple[int, int]]]:
    """The process instances, and place and moment of each record; read from the indexes alone."""
    keys = instances_of(connection, business_id) if keys is None else keys
    if not keys:
        return (), []
    c = records.c
    query = select(c.seq, c.timestamp if connection.dialect.name == "postgresql" else literal(0))
    found = {(seq, moment) for some in _some(keys) for seq, moment in connection.execute(query.where(c.process_instance_key.in_(some)))}
    if business_id:
        # A sum has no index: the case's records are looked through, not all facts.
        about = query.where(c.business_id == business_id, c.partition + 0 == FACTS_PARTITION)
        found.update((seq, moment) for seq, moment in connection.execute(about))
    return keys, sorted(found)


def _records(connection: Connection, places: Sequence[tuple[int, int]], told: Collection[str]) -> list[Record]:
    c = records.c
    query = select(*TEXT_COLUMNS).where(
        or_(c.partition == FACTS_PARTITION, and_(c.record_type == "EVENT", c.value_type.in_(sorted(told)))),
    )
    if connection.dialect.name == "postgresql":
        moments = [moment for _, moment in places]
        query = query.where(c.timestamp.between(min(moments), max(moments)))  # else each month is looked into
    seqs = [seq for seq, _ in places]
    return [one for some in _some(seqs) for one in read_records(connection, query.where(c.seq.in_(some)))]


def _set_directly(connection: Connection, found: Iterable[Record]) -> set[int]:
    c = records.c
    sources: dict[int, set[int]] = {}
    for record in found:
        if record.value_type == "VARIABLE":
            sources.setdefault(record.partition, set()).add(record.source_position)
    query = select(c.position).where(c.value_type == "VARIABLE_DOCUMENT")
    return {
        position
        for partition, positions in sources.items()
        for some in _some(sorted(positions))
        for position in connection.scalars(query.where(c.partition == partition, c.position.in_(some)))
    }


def _diagrams(connection: Connection, found: Iterable[Record]) -> dict[int, Diagram]:
    keys = {key for record in found if (key := known_key(record.value.get("processDefinitionKey"))) is not None}
    c = records.c
    query = select(*TEXT_COLUMNS).where(text(IS_PROCESS), c.key.in_(sorted(keys)), c.record_type == "EVENT", c.intent == "CREATED")
    return {
        record.key: read_diagram(resource_of(record.value), str(record.value.get("bpmnProcessId")))
        for record in read_records(connection, query)
    }


def _some(keys: Sequence[int]) -> list[Sequence[int]]:
    return [keys[start : start + _BOUND_AT_ONCE] for start in range(0, len(keys), _BOUND_AT_ONCE)]
