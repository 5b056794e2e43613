"""Counts over the read model, and the paths of single instances: what Camunda's Operate shows on a diagram.

Each function reads one connection's tables and answers in the shapes of Camunda's REST API v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, distinct, func, select

from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.events.entities import PROCESS_INSTANCE, has_incident
from camunda_workers.events.filters import where
from camunda_workers.events.projections.definitions import decision_instances, processes
from camunda_workers.events.projections.flows import sequence_flows
from camunda_workers.events.projections.instances import elements, process_instances
from camunda_workers.events.projections.messages import message_subscriptions
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.events.projections.work import incidents
from camunda_workers.events.search import Filter

Row = dict[str, Any]

_e, _i, _d, _x = elements.c, process_instances.c, processes.c, incidents.c


def call_hierarchy(connection: Connection, key: int) -> list[Row]:
    """The instances that called this one, the outermost first, and itself.

    Raises:
        NotFound: there is no such instance.
    """
    query = select(_i.key, _i.process_definition_key, _i.bpmn_process_id, _d.name, _i.parent_process_instance_key)
    query = query.select_from(process_instances.outerjoin(processes, _d.key == _i.process_definition_key))
    path: list[Row] = []
    asked: int | None = key
    while asked is not None and (row := connection.execute(query.where(_i.key == asked)).one_or_none()) is not None:
        name = row.name or row.bpmn_process_id
        path.insert(
            0, {"processInstanceKey": str(row.key), "processDefinitionKey": str(row.process_definition_key), "processDefinitionName": name}
        )
        asked = row.parent_process_instance_key
    if not path:
        raise NotFound(f"there is no process instance with the key {key}")
    return path


def flows_taken(connection: Connection, key: int) -> list[Row]:
    """The sequence flows that a process instance took."""
    flow = sequence_flows.c
    query = select(sequence_flows, _i.root_process_instance_key).select_from(
        sequence_flows.outerjoin(process_instances, _i.key == flow.process_instance_key)
    )
    return [
        {
            "sequenceFlowId": f"{row.process_instance_key}_{row.flow_id}",
            "processInstanceKey": str(row.process_instance_key),
            "rootProcessInstanceKey": None if row.root_process_instance_key is None else str(row.root_process_instance_key),
            "processDefinitionKey": str(row.process_definition_key),
            "processDefinitionId": row.bpmn_process_id,
            "elementId": row.flow_id,
            "tenantId": row.tenant_id,
        }
        for row in connection.execute(query.where(flow.process_instance_key == key).order_by(flow.flow_id))
    ]


def instance_elements(connection: Connection, key: int) -> list[Row]:
    """How often each element of a process instance was entered and how that ended."""
    return _by_element(connection, _e.process_instance_key == key)


def definition_elements(connection: Connection, key: int, filter: Filter) -> list[Row]:
    """The same over the instances of a process definition that a filter lets through.

    Raises:
        InvalidArgument: the filter cannot be read.
    """
    source = PROCESS_INSTANCE.source
    chosen = select(_i.key).select_from(source).where(_i.process_definition_key == key, *where_instances(filter))
    return _by_element(connection, _e.process_instance_key.in_(chosen))


def where_instances(filter: Filter) -> list[ColumnElement[bool]]:
    """The conditions of a filter of process instances."""
    return where(PROCESS_INSTANCE.fields, PROCESS_INSTANCE.specials, filter)


def _by_element(connection: Connection, *conditions: ColumnElement[bool]) -> list[Row]:
    active, broken = _e.state == "ACTIVE", has_incident(_e.key)

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(condition)

    query = select(
        _e.element_id,
        count(and_(active, ~broken)).label("active"),
        count(_e.state == "TERMINATED").label("canceled"),
        count(and_(active, broken)).label("incidents"),
        count(_e.state == "COMPLETED").label("completed"),
    )
    rows = connection.execute(query.where(*conditions).group_by(_e.element_id).order_by(_e.element_id))
    return [
        {
            "elementId": row.element_id,
            "active": row.active,
            "canceled": row.canceled,
            "incidents": row.incidents,
            "completed": row.completed,
        }
        for row in rows
    ]


_WITH, _WITHOUT = "activeInstancesWithIncidentCount", "activeInstancesWithoutIncidentCount"


def by_version(connection: Connection, process_id: str | None = None, tenant: str | None = None) -> list[Row]:
    """Active instances of each deployed version, with and without incidents."""
    broken, active = has_incident(_i.key), _i.state == "ACTIVE"
    query = select(
        processes,
        func.count(_i.key).filter(and_(active, broken)).label("broken"),
        func.count(_i.key).filter(and_(active, ~broken)).label("sound"),
    ).select_from(processes.outerjoin(process_instances, and_(_i.process_definition_key == _d.key, active)))
    if process_id is not None:
        query = query.where(_d.bpmn_process_id == process_id)
    if tenant is not None:
        query = query.where(_d.tenant_id == tenant)
    return [
        {
            "processDefinitionId": row.bpmn_process_id,
            "processDefinitionKey": str(row.key),
            "processDefinitionName": row.name,
            "processDefinitionVersion": row.version,
            "tenantId": row.tenant_id,
            _WITH: row.broken,
            _WITHOUT: row.sound,
        }
        for row in connection.execute(query.group_by(_d.key).order_by(_d.key))
    ]


def by_process(connection: Connection) -> list[Row]:
    """Active instances of each process over all of its versions."""
    result: dict[tuple[str, str], Row] = {}
    newest: dict[tuple[str, str], int] = {}
    for one in by_version(connection):
        key = (one["processDefinitionId"], one["tenantId"])
        row = result.setdefault(key, {"processDefinitionId": key[0], "tenantId": key[1], _WITH: 0, _WITHOUT: 0})
        row["hasMultipleVersions"] = key in newest
        if one["processDefinitionVersion"] >= newest.get(key, 0):
            row["latestProcessDefinitionName"] = one["processDefinitionName"]
            newest[key] = one["processDefinitionVersion"]
        row[_WITH] += one[_WITH]
        row[_WITHOUT] += one[_WITHOUT]
    return list(result.values())


def by_error(connection: Connection) -> list[Row]:
    """Active instances by the message of their incidents."""
    query = select(_x.error_message, func.count(distinct(_x.process_instance_key)).label("count")).where(_x.state == "ACTIVE")
    return [
        {
            "errorHashCode": java_hash(row.error_message or ""),
            "errorMessage": row.error_message or "",
            "activeInstancesWithErrorCount": row[1],
        }
        for row in connection.execute(query.group_by(_x.error_message).order_by(_x.error_message))
    ]


def by_definition_with_error(connection: Connection, hash_code: int) -> list[Row]:
    """Active instances of each definition that have an incident with a message of this hash code."""
    query = select(_x.error_message, _x.process_instance_key, processes).select_from(
        incidents.join(processes, _d.key == _x.process_definition_key)
    )
    found: dict[int, tuple[Any, set[int]]] = {}
    for row in connection.execute(query.where(_x.state == "ACTIVE").order_by(_d.key)):
        if java_hash(row.error_message or "") == hash_code:
            found.setdefault(row.key, (row, set()))[1].add(row.process_instance_key)
    return [
        {
            "processDefinitionId": row.bpmn_process_id,
            "processDefinitionKey": str(row.key),
            "processDefinitionName": row.name or row.bpmn_process_id,
            "processDefinitionVersion": row.version,
            "tenantId": row.tenant_id,
            "activeInstancesWithErrorCount": len(instances),
        }
        for row, instances in found.values()
    ]


def java_hash(text: str) -> int:
    """Java's ``String.hashCode``: what Camunda tells error messages apart by."""
    units = text.encode("utf-16-be", "surrogatepass")
    result = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        result = (31 * result + (high << 8 | low)) & 0xFFFFFFFF
    return result - 2**32 if result >= 2**31 else result


def open_subscriptions(connection: Connection, *conditions: ColumnElement[bool]) -> list[Row]:
    """Message subscriptions that wait now, by process definition."""
    s = message_subscriptions.c
    # Processes as well: conditions may be about their names.
    source = message_subscriptions.join(process_instances, _i.key == s.process_instance_key).outerjoin(
        processes, processes.c.key == _i.process_definition_key
    )
    query = select(
        s.bpmn_process_id,
        _i.process_definition_key,
        s.tenant_id,
        func.count(distinct(s.process_instance_key)).label("instances"),
        func.count().label("subscriptions"),
    ).select_from(source)
    query = query.where(s.state == "CREATED", *conditions).group_by(s.bpmn_process_id, _i.process_definition_key, s.tenant_id)
    return [
        {
            "processDefinitionId": row.bpmn_process_id,
            "processDefinitionKey": str(row.process_definition_key),
            "tenantId": row.tenant_id,
            "processInstancesWithActiveSubscriptions": row.instances,
            "activeSubscriptions": row.subscriptions,
        }
        for row in connection.execute(query.order_by(_i.process_definition_key))
    ]


def usage(connection: Connection, start: int, end: int) -> Row:
    """What was started, decided and assigned between two moments (milliseconds)."""
    t, z = user_tasks.c, decision_instances.c

    def count(query: Any) -> int:
        return connection.scalar(query) or 0

    return {
        "processInstances": count(
            select(func.count()).where(_i.started_at >= start, _i.started_at < end, _i.parent_process_instance_key.is_(None))
        ),
        "decisionInstances": count(select(func.count()).where(z.evaluated_at >= start, z.evaluated_at < end)),
        "assignees": count(select(func.count(distinct(t.assignee))).where(t.created_at >= start, t.created_at < end)),
        "activeTenants": 1,
        "tenants": {},
    }


_MOST: Final = 10_000


def paged(rows: Sequence[Row], sort: Sequence[Mapping[str, Any]], sortable: Sequence[str], start: int, limit: int) -> Row:
    """Counted rows as an answer to a search: sorted, and the part that was asked for.

    Raises:
        InvalidArgument: they cannot be sorted by that field.
    """
    result = list(rows)
    for one in reversed(sort):
        name, order = one.get("field"), str(one.get("order") or "ASC").upper()
        if name not in sortable:
            raise InvalidArgument(f"sort.field: cannot sort by '{name}'; known are {', '.join(sortable)}")
        if order not in {"ASC", "DESC"}:
            raise InvalidArgument(f"sort.order: expected ASC or DESC, got '{order}'")
        result.sort(key=lambda row: (row[str(name)] is None, row[str(name)]), reverse=order == "DESC")
    page = {"totalItems": len(result), "hasMoreTotalItems": False, "startCursor": None, "endCursor": None}
    return {"items": result[start : start + min(limit, _MOST)], "page": page}
