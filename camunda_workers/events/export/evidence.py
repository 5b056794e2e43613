"""What belongs to one case, gathered from the log: records, forms, diagrams, and what each person was shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.reading import TEXT_COLUMNS, texts
from camunda_workers.events.record import Record, known_key, parse_record
from camunda_workers.events.schema import records

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """What a task showed to whoever worked on it.

    Attributes:
        moment: ``created`` or ``completed``.
        who: who completed it.
        form: id and version of the form, where it has one of Camunda's.
        data: the variables that the task could see at that moment, as JSON texts.
        sha256: over the data as canonical JSON (sorted names, no spaces, UTF-8).
    """

    task_key: int
    element_id: str
    moment: str
    time: datetime
    position: int
    who: str | None
    form: str | None
    data: Mapping[str, Any]
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """The same, as plain JSON values."""
        return {
            "userTaskKey": str(self.task_key),
            "elementId": self.element_id,
            "moment": self.moment,
            "time": self.time.isoformat(),
            "position": self.position,
            "who": self.who,
            "form": self.form,
            "sha256": self.sha256,
            "data": dict(self.data),
        }


@dataclass(slots=True)
class Evidence:
    """Everything of a case, in the order of the log: places, records, and what was found in them."""

    seqs: list[int] = field(default_factory=list[int])
    records: list[Record] = field(default_factory=list[Record])
    forms: dict[str, str] = field(default_factory=dict[str, str])
    diagrams: dict[str, bytes] = field(default_factory=dict[str, bytes])
    shown: list[Shown] = field(default_factory=list[Shown])

    @property
    def facts(self) -> list[Record]:
        """Our own facts: decisions of AI tasks, approvals and so on."""
        return [record for record in self.records if record.partition == FACTS_PARTITION]

    @property
    def variables(self) -> list[dict[str, Any]]:
        """Every value that each variable has had, as plain JSON values."""
        started = (record for record in self.records if record.value_type == "PROCESS_INSTANCE" and record.intent == "ELEMENT_ACTIVATING")
        element_of = {record.key: record.element_id for record in started if record.value.get("bpmnElementType") != "PROCESS"}
        return [
            {
                "name": record.value.get("name"),
                "time": record.time.isoformat(),
                "operation": record.intent,
                "value": _parsed(record.value.get("value")),
                "elementId": element_of.get(int(record.value.get("scopeKey") or -1)),
                "position": record.position,
            }
            for record in self.records
            if record.value_type == "VARIABLE" and record.is_event and record.intent in {"CREATED", "UPDATED"}
        ]


async def gather(log: EventLog, business_id: str, instances: Sequence[int]) -> Evidence:
    """Find everything of a case.

    Args:
        log: where.
        business_id: the case.
        instances: its process instances, called ones too.
    """
    return await log.database.read(lambda connection: _gather(connection, business_id, instances))


def canonical_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of data in one canonical form; the same as an AI decision's ``inputs_hash``."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _gather(connection: Connection, business_id: str, instances: Sequence[int]) -> Evidence:
    c = records.c
    found: dict[int, Record] = {}
    for start in range(0, len(instances), _AT_ONCE):
        _take(connection, found, c.process_instance_key.in_(instances[start : start + _AT_ONCE]))
    _take(connection, found, and_(c.business_id == business_id, c.partition == FACTS_PARTITION))
    definitions = _keys(found.values(), "processDefinitionKey")
    _take(connection, found, and_(c.value_type == "PROCESS", c.key.in_(definitions), c.record_type == "EVENT", c.intent == "CREATED"))
    form_keys = _keys(found.values(), "formKey")
    _take(connection, found, and_(c.value_type == "FORM", c.key.in_(form_keys), c.record_type == "EVENT", c.intent == "CREATED"))
    _take(connection, found, and_(c.value_type == "MESSAGE", c.key.in_(_keys(found.values(), "messageKey"))))
    evidence = Evidence(sorted(found))
    evidence.records = [found[seq] for seq in evidence.seqs]
    _look(evidence)
    return evidence


def _take(connection: Connection, found: dict[int, Record], condition: ColumnElement[bool]) -> None:
    rows = connection.execute(select(*TEXT_COLUMNS).where(or_(condition)).order_by(records.c.seq)).all()
    found.update((row.seq, parse_record(text)) for row, text in zip(rows, texts(connection, rows), strict=True))


def _keys(found: Collection[Record], name: str) -> list[int]:
    return sorted({key for record in found if (key := known_key(record.value.get(name))) is not None})


def _look(evidence: Evidence) -> None:
    """Follow the variables, and keep what each task could see when it was made and when it was completed."""
    from camunda_workers.events.projections.definitions import resource_of

    forms: dict[int, str] = {}
    values: dict[int, dict[str, Any]] = {}
    scopes: dict[int, list[int]] = {}
    for record in evidence.records:
        value = record.value
        match record.value_type:
            case "PROCESS":
                name = f"{value.get('bpmnProcessId')}-v{value.get('version')}.bpmn"
                evidence.diagrams[name] = resource_of(value)
            case "FORM":
                name = f"{value.get('formId')}-v{value.get('version')}.form"
                forms[record.key] = name
                evidence.forms[name] = resource_of(value).decode(errors="replace")
            case "PROCESS_INSTANCE" if record.intent == "ELEMENT_ACTIVATING":
                path = cast("list[list[int]]", value.get("elementInstancePath") or [])
                own = [path[-1]] if path else []
                scopes[record.key] = [*(key for part in own for key in part), record.key]
            case "VARIABLE" if record.intent in {"CREATED", "UPDATED"} and record.is_event:
                values.setdefault(int(value.get("scopeKey") or -1), {})[str(value.get("name"))] = _parsed(value.get("value"))
            case "USER_TASK" if record.intent in {"CREATED", "COMPLETED"} and record.is_event:
                seen: dict[str, Any] = {}
                element = known_key(value.get("elementInstanceKey")) or -1
                for scope in dict.fromkeys([record.process_instance_key or -1, *scopes.get(element, []), element]):
                    seen |= values.get(scope, {})
                who = (actor_of(record) or str(value.get("assignee") or "") or None) if record.intent == "COMPLETED" else None
                form = forms.get(known_key(value.get("formKey")) or -1)
                shown = Shown(
                    record.key,
                    str(value.get("elementId")),
                    record.intent.lower(),
                    record.time,
                    record.position,
                    who,
                    form,
                    dict(sorted(seen.items())),
                    canonical_hash(seen),
                )
                evidence.shown.append(shown)
            case _:
                pass


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
