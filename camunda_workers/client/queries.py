"""Searches of the REST API v2 as its JSON bodies: filters, sorting, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel

from camunda_workers.client.models import RestModel
from camunda_workers.errors import InvalidArgument

Filter = Mapping[str, object] | BaseModel | None
Sort = str | Sequence[str | Mapping[str, str]] | None
Operators = dict[str, Any]


class UserTaskFilter(RestModel):
    """What user tasks are looked for by; each field a value or operators such as ``{"$in": [...]}``, ``{"$exists": False}``."""

    state: str | Operators | None = None
    assignee: str | Operators | None = None
    candidate_group: str | Operators | None = None
    candidate_user: str | Operators | None = None
    element_id: str | None = None
    name: str | Operators | None = None
    priority: int | Operators | None = None
    due_date: datetime | Operators | None = None
    follow_up_date: datetime | Operators | None = None
    creation_date: datetime | Operators | None = None
    completion_date: datetime | Operators | None = None
    process_definition_id: str | Operators | None = None
    process_definition_key: int | None = None
    process_instance_key: int | None = None
    element_instance_key: int | None = None
    user_task_key: int | None = None
    tenant_id: str | Operators | None = None
    tags: list[str] | None = None


def camel(name: str) -> str:
    """``candidate_group`` as ``candidateGroup``; what is in camel case or an operator stays."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def search_body(filter: Filter, sort: Sort, page: Mapping[str, object] | None) -> dict[str, object]:
    """The body of a search.

    Args:
        filter: fields in snake or camel case, or a model of them.
        sort: a field, ``-field`` for descending, or several of them, or the API's own objects.
        page: as the API has it.
    """
    body: dict[str, object] = {}
    fields: Mapping[str, object] = filter.model_dump(by_alias=True, exclude_none=True) if isinstance(filter, BaseModel) else filter or {}
    if fields:
        body["filter"] = {camel(name): _value(camel(name), value) for name, value in fields.items()}
    if sort:
        body["sort"] = [_order(item) for item in ([sort] if isinstance(sort, str) else sort)]
    if page:
        body["page"] = {camel(name): value for name, value in page.items()}
    return body


def _value(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {key: _value(name, item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_value(name, item) for item in cast("Sequence[object]", value)]
    if isinstance(value, int) and not isinstance(value, bool) and name.endswith("Key"):
        # Keys are text on the wire: JavaScript cannot hold 64 bits.
        return str(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise InvalidArgument(f"filter {name}: {value.isoformat()} has no time zone; use an aware datetime")
    return value


def _order(item: str | Mapping[str, str]) -> dict[str, str]:
    if isinstance(item, str):
        return {"field": camel(item.removeprefix("-")), "order": "DESC" if item.startswith("-") else "ASC"}
    return {**item, "field": camel(item["field"])} if "field" in item else dict(item)
