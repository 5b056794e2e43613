"""What can be searched, in REST v2's names: instances, tasks, incidents, variables, elements."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, literal, null, select

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.dialects import common
from camunda_workers.events.enumerations import (
    ELEMENT_INSTANCE_STATES,
    ELEMENT_TYPES,
    INCIDENT_ERRORS,
    INCIDENT_STATES,
    PROCESS_INSTANCE_STATES,
    USER_TASK_STATES,
)
from camunda_workers.events.filters import Field, Kind, Special, all_of, any_of, flag, matches, one_of
from camunda_workers.events.projections.definitions import element_names, processes
from camunda_workers.events.projections.instances import elements, process_instances
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.events.projections.work import incident_scopes, incidents, jobs, variables
from camunda_workers.events.search import Entity

TEXT, KEY, INTEGER, DATE, FLAG = Kind.TEXT, Kind.KEY, Kind.INTEGER, Kind.DATE, Kind.FLAG
NOTHING: Final[ColumnElement[Any]] = null()
"""The column of a field that this engine never fills."""


def has_incident(scope: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether anything in this scope has an incident now."""
    open_ones = select(literal(1)).select_from(incident_scopes.join(incidents, incidents.c.key == incident_scopes.c.incident_key))
    return open_ones.where(incident_scopes.c.scope_key == scope, common(incidents.c.state == "ACTIVE")).exists()


def _incident_filter(scope: ColumnElement[Any]) -> Special:
    """The same as a filter: all scopes with an incident are found once, not each scope asked."""
    open_ones = select(incident_scopes.c.scope_key).join(incidents, incidents.c.key == incident_scopes.c.incident_key)
    broken = scope.in_(open_ones.where(incidents.c.state == "ACTIVE"))
    # As it stands, not compared with true: only so does the database go from the incidents to their scopes.
    return lambda asked, path: broken if asked is True else matches(broken, FLAG, asked, path)


def variables_match(within: ColumnElement[Any], scope: ColumnElement[Any]) -> Special:
    """A filter ``[{name, value}, ...]``: each variable is there with that value (JSON, as text).

    Args:
        within: the column of the variables that says where they are.
        scope: what it has to be equal to.
    """

    def condition(asked: Any, path: str) -> ColumnElement[bool]:
        if not isinstance(asked, list) or not all(isinstance(one, dict) and set(one) == {"name", "value"} for one in asked):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            raise InvalidArgument(f"{path}: expected a list of objects with name and value")
        some: list[ColumnElement[bool]] = []
        for one in asked:  # pyright: ignore[reportUnknownVariableType]
            name = matches(variables.c.name, TEXT, one["name"], f"{path}.name")
            value = matches(variables.c.value, TEXT, one["value"], f"{path}.value")
            some.append(scope.in_(select(within).where(name, value)))
        return and_(*some, literal(True))

    return condition


def _exists_element(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(literal(1)).where(elements.c.process_instance_key == process_instances.c.key, *conditions).exists()


def _element_state(asked: Any, path: str) -> ColumnElement[bool]:
    one_of(ELEMENT_INSTANCE_STATES, asked, path)
    return _exists_element(matches(elements.c.state, TEXT, asked, path))


def _exists_incident(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(literal(1))
        .where(incidents.c.process_instance_key == process_instances.c.key, common(incidents.c.state == "ACTIVE"), *conditions)
        .exists()
    )


def _retries_left(asked: Any, path: str) -> ColumnElement[bool]:
    failed = (
        select(literal(1))
        .where(jobs.c.process_instance_key == process_instances.c.key, common(jobs.c.state == "FAILED"), jobs.c.retries > 0)
        .exists()
    )
    return failed if flag(asked, path) else ~failed


def _element_incident(asked: Any, path: str) -> ColumnElement[bool]:
    found = _exists_element(has_incident(elements.c.key))
    return found if flag(asked, path) else ~found


_i, _d = process_instances.c, processes.c
PROCESS_INSTANCE: Final = Entity(
    name="process instance",
    key_field="processInstanceKey",
    source=process_instances.outerjoin(processes, _d.key == _i.process_definition_key),
    fields={
        "processInstanceKey": Field(_i.key, KEY),
        "processDefinitionId": Field(_i.bpmn_process_id, TEXT, common=True),
        "processDefinitionName": Field(_d.name, TEXT),
        "processDefinitionVersion": Field(_i.version, INTEGER),
        "processDefinitionVersionTag": Field(_d.version_tag, TEXT),
        "processDefinitionKey": Field(_i.process_definition_key, KEY, common=True),
        "parentProcessInstanceKey": Field(_i.parent_process_instance_key, KEY),
        "parentElementInstanceKey": Field(_i.parent_element_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "startDate": Field(_i.started_at, DATE, always=True),
        "endDate": Field(_i.ended_at, DATE),
        "suspendedDate": Field(NOTHING, DATE),
        "state": Field(_i.state, TEXT, common=True, values=PROCESS_INSTANCE_STATES),
        "hasIncident": Field(has_incident(_i.key), FLAG),
        "tenantId": Field(_i.tenant_id, TEXT),
        "businessId": Field(_i.business_id, TEXT),
        "tags": Field(_i.tags, Kind.TEXTS, default=[]),
    },
    specials={
        "hasIncident": _incident_filter(_i.key),
        "tags": lambda asked, path: all_of(_i.tags, asked, path),
        "variables": variables_match(variables.c.process_instance_key, _i.key),
        "errorMessage": lambda asked, path: _exists_incident(matches(incidents.c.error_message, TEXT, asked, path)),
        "elementId": lambda asked, path: _exists_element(matches(elements.c.element_id, TEXT, asked, path)),
        "elementInstanceState": _element_state,
        "hasElementInstanceIncident": _element_incident,
        "hasRetriesLeft": _retries_left,
    },
)

_t, _n = user_tasks.c, element_names.c
USER_TASK: Final = Entity(
    name="user task",
    key_field="userTaskKey",
    source=user_tasks.outerjoin(process_instances, _i.key == _t.process_instance_key)
    .outerjoin(processes, _d.key == _t.process_definition_key)
    .outerjoin(element_names, and_(_n.process_definition_key == _t.process_definition_key, _n.element_id == _t.element_id)),
    fields={
        "userTaskKey": Field(_t.key, KEY),
        "name": Field(_n.name, TEXT),
        "state": Field(_t.state, TEXT, common=True, values=USER_TASK_STATES),
        "assignee": Field(_t.assignee, TEXT),
        "elementId": Field(_t.element_id, TEXT),
        "elementInstanceKey": Field(_t.element_instance_key, KEY),
        "candidateGroups": Field(_t.candidate_groups, Kind.TEXTS, default=[]),
        "candidateUsers": Field(_t.candidate_users, Kind.TEXTS, default=[]),
        "processDefinitionId": Field(_t.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_t.process_definition_key, KEY),
        "processDefinitionVersion": Field(_t.process_version, INTEGER),
        "processName": Field(_d.name, TEXT),
        "processInstanceKey": Field(_t.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "creationDate": Field(_t.created_at, DATE, always=True),
        "completionDate": Field(_t.ended_at, DATE),
        "dueDate": Field(_t.due_at, DATE),
        "followUpDate": Field(_t.follow_up_at, DATE),
        "priority": Field(_t.priority, INTEGER, default=50, always=True),
        "formKey": Field(_t.form_key, KEY),
        "externalFormReference": Field(_t.external_form, TEXT),
        "customHeaders": Field(_t.headers, Kind.JSON, default={}),
        "tenantId": Field(_t.tenant_id, TEXT),
        "businessId": Field(_i.business_id, TEXT),
        "tags": Field(_i.tags, Kind.TEXTS, default=[]),
    },
    specials={
        "candidateGroup": lambda asked, path: any_of(_t.candidate_groups, asked, path),
        "candidateUser": lambda asked, path: any_of(_t.candidate_users, asked, path),
        "tags": lambda asked, path: all_of(_i.tags, asked, path),
        "processInstanceVariables": variables_match(variables.c.scope_key, _t.process_instance_key),
        "localVariables": variables_match(variables.c.scope_key, _t.element_instance_key),
    },
)

_x = incidents.c
INCIDENT: Final = Entity(
    name="incident",
    key_field="incidentKey",
    source=incidents,
    fields={
        "incidentKey": Field(_x.key, KEY),
        "processDefinitionId": Field(_x.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_x.process_definition_key, KEY),
        "processInstanceKey": Field(_x.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_x.root_process_instance_key, KEY),
        "errorType": Field(_x.error_type, TEXT, values=INCIDENT_ERRORS),
        "errorMessage": Field(_x.error_message, TEXT, default=""),
        "elementId": Field(_x.element_id, TEXT),
        "elementInstanceKey": Field(_x.element_instance_key, KEY),
        "jobKey": Field(_x.job_key, KEY),
        "creationTime": Field(_x.created_at, DATE, always=True),
        "state": Field(_x.state, TEXT, common=True, values=INCIDENT_STATES),
        "tenantId": Field(_x.tenant_id, TEXT),
    },
)

_v = variables.c
VARIABLE: Final = Entity(
    name="variable",
    key_field="variableKey",
    source=variables.outerjoin(process_instances, _i.key == _v.process_instance_key),
    fields={
        "variableKey": Field(_v.key, KEY),
        "name": Field(_v.name, TEXT),
        "value": Field(_v.value, TEXT, default="null"),
        "scopeKey": Field(_v.scope_key, KEY),
        "processInstanceKey": Field(_v.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "tenantId": Field(_v.tenant_id, TEXT),
    },
    specials={"isTruncated": lambda asked, path: (func.length(_v.value) > TRUNCATED_AT) == flag(asked, path)},
)
TRUNCATED_AT: Final = 8191
"""Characters of a variable's value that a search shows; Camunda's own limit."""

_e = elements.c
_incident_key = (
    select(func.min(_x.key)).where(_x.element_instance_key == _e.key, common(_x.state == "ACTIVE")).correlate(elements).scalar_subquery()
)
ELEMENT_INSTANCE: Final = Entity(
    name="element instance",
    key_field="elementInstanceKey",
    source=elements.outerjoin(process_instances, _i.key == _e.process_instance_key).outerjoin(
        element_names, and_(_n.process_definition_key == _e.process_definition_key, _n.element_id == _e.element_id)
    ),
    fields={
        "elementInstanceKey": Field(_e.key, KEY),
        "processDefinitionId": Field(_e.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_e.process_definition_key, KEY),
        "processInstanceKey": Field(_e.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "elementId": Field(_e.element_id, TEXT),
        "elementName": Field(func.coalesce(_n.name, _e.element_id), TEXT),
        "type": Field(_e.type, TEXT, values=ELEMENT_TYPES),
        "state": Field(_e.state, TEXT, common=True, values=ELEMENT_INSTANCE_STATES),
        "hasIncident": Field(has_incident(_e.key), FLAG),
        "incidentKey": Field(_incident_key, KEY),
        "startDate": Field(_e.started_at, DATE, always=True),
        "endDate": Field(_e.ended_at, DATE),
        "tenantId": Field(_e.tenant_id, TEXT),
    },
    specials={
        "hasIncident": _incident_filter(_e.key),
        "elementInstanceScopeKey": lambda asked, path: matches(_e.scope_key, KEY, asked, path),
    },
)
