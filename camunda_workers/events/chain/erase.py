"""Erasing what the log knows of somebody: contents and their salts go, the records stay, and the log still verifies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import from_json
from sqlalchemy import Connection, and_, delete, or_, select

from camunda_workers.clock import SystemClock
from camunda_workers.errors import NotFound
from camunda_workers.events.chain.scan import compact
from camunda_workers.events.chain.sealing import marks_in
from camunda_workers.events.facts import Fact, FactKind, write_facts
from camunda_workers.events.log import FACTS_PARTITION, instances_of, with_called
from camunda_workers.events.schema import payloads, records

if TYPE_CHECKING:
    from camunda_workers.events.chain.tree import Tree
    from camunda_workers.events.log import EventLog

_BOUND_AT_ONCE: Final = 500
_LINKS: Final = ("scopeKey", "elementInstanceKey", "jobKey", "userTaskKey", "messageKey", "variableKey")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would take.

    Attributes:
        business_ids: the cases it concerns.
        instances: their process instances.
        contents: what would be erased: place and part.
        value_types: what kinds of records the contents are of.
    """

    business_ids: tuple[str, ...]
    instances: tuple[int, ...]
    contents: tuple[tuple[int, int], ...]
    value_types: frozenset[str]

    @property
    def records(self) -> int:
        """How many records lose a content."""
        return len({seq for seq, _ in self.contents})


async def plan_erasure(log: EventLog, subject: str) -> Plan:
    """Find what the log knows of somebody or something.

    Args:
        log: where.
        subject: a business id; or a process instance's key; or a text (a name, an e-mail address) that stands in a variable: then it is about
            every case in which it does, as a whole.

    Raises:
        NotFound: there is nothing.
    """
    plan = await log.database.read(lambda connection: _plan(connection, subject))
    if not plan.instances and not plan.contents:
        raise NotFound(
            f"the event log {log.database.name} knows nothing of '{subject}': no case, no process instance and no content with that text"
        )
    return plan


async def erase(log: EventLog, plan: Plan, *, reason: str = "", by: str = "", now: datetime | None = None) -> int:
    """Erase what was planned, and record that it was (without the subject's name).

    The read model must be folded anew afterwards, see `ReadModel.rebuild`: it has copies.

    Returns:
        How many contents were erased.
    """
    moment = now or SystemClock().now()
    erased = 0

    def work(connection: Connection, tree: Tree | None) -> Any:
        nonlocal erased
        erased = _erase(connection, plan)
        places = compact(sorted({seq for seq, _ in plan.contents}))
        fact = Fact(
            FactKind.ERASURE,
            {"records": places, "contents": erased, "processInstances": [str(key) for key in plan.instances], "reason": reason, "by": by},
        )
        return write_facts(connection, [fact], moment, tree)

    await log.grow(work)
    # What pages were before is still in SQLite's write-ahead log, and in PostgreSQL's dead rows.
    await log.database.maintain("VACUUM payloads" if log.database.is_postgresql else "PRAGMA wal_checkpoint(TRUNCATE)")
    return erased


def _erase(connection: Connection, plan: Plan) -> int:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only let go of
    erased = 0
    for start in range(0, len(plan.contents), _BOUND_AT_ONCE // 2):
        some = plan.contents[start : start + _BOUND_AT_ONCE // 2]
        condition = or_(*(and_(payloads.c.seq == seq, payloads.c.part == part) for seq, part in some))
        erased += connection.execute(delete(payloads).where(condition)).rowcount
    return erased


def _plan(connection: Connection, subject: str) -> Plan:
    instances = instances_of(connection, subject)
    business_ids = {subject} if instances else set[str]()
    named: set[tuple[int, int]] = set()
    if not instances and subject.isascii() and subject.isdigit():
        known = connection.scalar(select(records.c.seq).where(records.c.process_instance_key == int(subject)).limit(1))
        instances = with_called(connection, [int(subject)]) if known is not None else []
    if not instances:
        instances, business_ids, named = _mentioned(connection, subject)
    contents, value_types = _contents(connection, instances, business_ids)
    return Plan(tuple(sorted(business_ids)), tuple(instances), tuple(sorted(contents | named)), frozenset(value_types))


def _mentioned(connection: Connection, subject: str) -> tuple[list[int], set[str], set[tuple[int, int]]]:
    """The cases in whose contents a text stands, and the contents themselves: some belong to no process instance."""
    within = json.dumps(subject, ensure_ascii=False)
    needles = {within, within[1:-1], json.dumps(within, ensure_ascii=False)[1:-1], json.dumps(subject)[1:-1]}
    c = payloads.c
    query = (
        select(c.seq, c.part, c.body, records.c.process_instance_key, records.c.value_type, records.c.json)
        .join(records, records.c.seq == c.seq)
        .where(or_(*(c.body.contains(needle, autoescape=True) for needle in needles)))
    )
    found: set[int] = set()
    named: set[tuple[int, int]] = set()
    for row in connection.execute(query):
        seq, part, _, key, value_type, line = cast("tuple[int, int, str, int | None, str, str]", tuple(row))
        named.add((seq, part))
        if key is not None:
            found.add(key)
        elif value_type == "JOB_BATCH":
            owner = _owners(line)[part]
            found.update([owner] if owner is not None else [])
    business_ids = {
        one
        for key in found
        for one in connection.scalars(select(records.c.business_id).where(records.c.process_instance_key == key))
        if one
    }
    families = with_called(connection, sorted(found))
    for business_id in business_ids:
        families += instances_of(connection, business_id)
    return list(dict.fromkeys(families)), business_ids, named


def _contents(connection: Connection, instances: Sequence[int], business_ids: Collection[str]) -> tuple[set[tuple[int, int]], set[str]]:
    """Everything that was taken out of records of these instances, and of the commands behind and the messages before them."""
    wanted = set(instances)
    keys: set[int] = set(instances)
    sources: set[tuple[int, int]] = set()
    c = records.c
    for start in range(0, len(instances), _BOUND_AT_ONCE):
        some = instances[start : start + _BOUND_AT_ONCE]
        query = select(c.partition, c.key, c.json).where(c.process_instance_key.in_(some), c.partition != FACTS_PARTITION)
        for partition, key, line in connection.execute(query):
            raw = cast("dict[str, Any]", from_json(line))
            value = cast("Mapping[str, Any]", raw.get("value") or {})
            keys.update(one for one in (key, *(value.get(name) for name in _LINKS)) if isinstance(one, int) and one > 0)
            if (source := raw.get("sourceRecordPosition", -1)) > 0:
                sources.add((partition, source))
    found: set[tuple[int, int]] = set()
    kinds: set[str] = set()
    columns = (c.seq, c.partition, c.position, c.key, c.process_instance_key, c.value_type, c.business_id, c.json)
    sealed = select(*columns).where(c.sealed > 0).order_by(c.seq)
    for seq, partition, position, key, instance, value_type, business_id, line in connection.execute(
        sealed.execution_options(yield_per=2000)
    ):
        holes = marks_in(line)
        if value_type == "JOB_BATCH":
            mine = {(seq, part) for part, owner in enumerate(_owners(line)) if owner in wanted}
        elif (
            instance in wanted
            or (business_id in business_ids if business_id else False)
            or (partition != FACTS_PARTITION and _belongs(partition, position, key, line, keys, sources))
        ):
            mine = {(seq, part) for part in range(len(holes))}
        else:
            continue
        if mine:
            found |= mine
            kinds.add(value_type)
    return found, kinds


def _belongs(partition: int, position: int, key: int, line: str, keys: set[int], sources: set[tuple[int, int]]) -> bool:
    if key in keys or (partition, position) in sources:
        return True
    raw = cast("dict[str, Any]", from_json(line))
    value = cast("Mapping[str, Any]", raw.get("value") or {})
    return (partition, raw.get("sourceRecordPosition", -1)) in sources or any(value.get(name) in keys for name in _LINKS)


def _owners(line: str) -> list[int | None]:
    """The process instance of each content of a batch of jobs, in the order in which they were taken out."""
    value = cast("dict[str, Any]", from_json(line))["value"]
    owners: list[int | None] = []
    for job in cast("list[dict[str, Any]]", value.get("jobs") or []):
        count = sum(isinstance(job.get(name), dict) and "$sealed" in job[name] for name in ("variables", "errorMessage"))
        owners += [job.get("processInstanceKey")] * count
    return owners
