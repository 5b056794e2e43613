"""Counts: instances by element, definition, version and error; what was used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Int32
from camunda_workers.engine.embedded.rest.context import model_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.engine.embedded.rest.search import answered
from camunda_workers.errors import InvalidArgument
from camunda_workers.events import statistics
from camunda_workers.events.dates import to_millis
from camunda_workers.events.entities_messages import MESSAGE_SUBSCRIPTION
from camunda_workers.events.filters import where


async def get_process_instance_call_hierarchy(request: Request) -> Response:
    """The instances that called this one, the outermost first, and itself."""
    key = bodies.path_key(request, "processInstanceKey")
    return JSONResponse(await (await model_of(request)).query(lambda connection: statistics.call_hierarchy(connection, key)))


def _items(name: str, parameter: str, rows: Callable[[Connection, int], list[dict[str, Any]]], path: str, summary: str) -> Operation:
    async def endpoint(request: Request) -> Response:
        key = bodies.path_key(request, parameter)
        return JSONResponse({"items": await (await model_of(request)).query(lambda connection: rows(connection, key))})

    endpoint.__doc__ = summary
    return Operation("GET", path, endpoint, name=name)


class _Filter(Body):
    filter: dict[str, Any] = {}


async def get_process_definition_statistics(request: Request, body: _Filter) -> Response:
    """How often each element was entered in the instances of a definition that the filter lets through."""
    key, model = bodies.path_key(request, "processDefinitionKey"), await model_of(request)

    async def found() -> dict[str, Any]:
        return {"items": await model.query(lambda connection: statistics.definition_elements(connection, key, body.filter))}

    return await answered(found())


class _Page(Body):
    from_: int = Field(default=0, ge=0, lt=2**31, alias="from")
    limit: int = Field(default=100, ge=0, lt=2**31)


class _Sort(Body):
    field: str
    order: Literal["ASC", "DESC", "asc", "desc"] = "ASC"


class Counted(Body):
    """An order, and which part of the answer."""

    sort: list[_Sort] = []
    page: _Page = _Page()


class _OneProcess(Body):
    process_definition_id: bodies.Text
    tenant_id: str | None = None


class CountedByVersion(Counted):
    """Of which process."""

    filter: _OneProcess


class _OneError(Body):
    error_hash_code: Int32


class CountedByDefinition(Counted):
    """Of which error."""

    filter: _OneError


async def _counted(
    request: Request, body: Counted, rows: Callable[[Connection], list[dict[str, Any]]], sortable: Sequence[str]
) -> Response:
    sort = [{"field": one.field, "order": one.order} for one in body.sort]

    def read(connection: Connection) -> Any:
        return statistics.paged(rows(connection), sort, sortable, body.page.from_, body.page.limit)

    return await answered((await model_of(request)).query(read))


_COUNTS = ("activeInstancesWithIncidentCount", "activeInstancesWithoutIncidentCount")


async def get_process_definition_instance_statistics(request: Request, body: Counted) -> Response:
    """Active instances of each process, with and without incidents."""
    return await _counted(request, body, statistics.by_process, ("processDefinitionId", *_COUNTS))


async def get_process_definition_instance_version_statistics(request: Request, body: CountedByVersion) -> Response:
    """Active instances of each version of a process, with and without incidents."""
    asked = body.filter
    sortable = ("processDefinitionId", "processDefinitionKey", "processDefinitionName", "processDefinitionVersion", *_COUNTS)

    def rows(connection: Connection) -> list[dict[str, Any]]:
        return statistics.by_version(connection, asked.process_definition_id, asked.tenant_id)

    return await _counted(request, body, rows, sortable)


async def get_process_instance_statistics_by_error(request: Request, body: Counted) -> Response:
    """Active instances by the message of their incidents."""
    return await _counted(request, body, statistics.by_error, ("errorMessage", "activeInstancesWithErrorCount"))


async def get_process_instance_statistics_by_definition(request: Request, body: CountedByDefinition) -> Response:
    """Active instances of each definition that have one error."""
    code, sortable = body.filter.error_hash_code, ("activeInstancesWithErrorCount", "processDefinitionKey", "tenantId")
    return await _counted(request, body, lambda connection: statistics.by_definition_with_error(connection, code), sortable)


class CountedSubscriptions(Body):
    """Which of them."""

    filter: dict[str, Any] = {}
    page: dict[str, Any] = {}


async def get_process_definition_message_subscription_statistics(request: Request, body: CountedSubscriptions) -> Response:
    """Message subscriptions that wait now, by process definition."""

    def read(connection: Connection) -> Any:
        conditions = where(MESSAGE_SUBSCRIPTION.fields, MESSAGE_SUBSCRIPTION.specials, body.filter)
        return statistics.paged(statistics.open_subscriptions(connection, *conditions), [], (), 0, 10_000)

    return await answered((await model_of(request)).query(read))


async def get_usage_metrics(request: Request) -> Response:
    """What was started, decided and assigned between two moments."""
    try:
        start, end = (to_millis(request.query_params[name]) for name in ("startTime", "endTime"))
    except (KeyError, ValueError, OverflowError):
        raise BadRequest("Query parameters 'startTime' and 'endTime' are required: date, time and offset") from None
    if start >= end:
        raise InvalidArgument("The startTime must be before the endTime.")
    return JSONResponse(await (await model_of(request)).query(lambda connection: statistics.usage(connection, start, end)))


_ONE, _DEFINITION = "/process-instances/{processInstanceKey}", "/process-definitions/{processDefinitionKey}"
_STATISTICS = "/process-definitions/statistics"
_MOMENT = {"type": "string", "format": "date-time", "x-required": True}
OPERATIONS = [
    Operation("GET", f"{_ONE}/call-hierarchy", get_process_instance_call_hierarchy, refusals=(404,)),
    _items(
        "getProcessInstanceSequenceFlows",
        "processInstanceKey",
        statistics.flows_taken,
        f"{_ONE}/sequence-flows",
        "The sequence flows that were taken.",
    ),
    _items(
        "getProcessInstanceStatistics",
        "processInstanceKey",
        statistics.instance_elements,
        f"{_ONE}/statistics/element-instances",
        "How often each element was entered and how that ended.",
    ),
    Operation("POST", f"{_DEFINITION}/statistics/element-instances", get_process_definition_statistics, _Filter),
    Operation("POST", f"{_STATISTICS}/process-instances", get_process_definition_instance_statistics, Counted),
    Operation("POST", f"{_STATISTICS}/process-instances-by-version", get_process_definition_instance_version_statistics, CountedByVersion),
    Operation("POST", f"{_STATISTICS}/message-subscriptions", get_process_definition_message_subscription_statistics, CountedSubscriptions),
    Operation("POST", "/incidents/statistics/process-instances-by-error", get_process_instance_statistics_by_error, Counted),
    Operation(
        "POST", "/incidents/statistics/process-instances-by-definition", get_process_instance_statistics_by_definition, CountedByDefinition
    ),
    Operation(
        "GET",
        "/system/usage-metrics",
        get_usage_metrics,
        query={"startTime": _MOMENT, "endTime": _MOMENT, "tenantId": {"type": "string"}, "withTenants": {"type": "boolean"}},
    ),
]
