"""What the REST API v2 answers.

Tolerant models: fields a newer engine adds are kept (``task.model_extra``), fields an older one lacks have defaults. Keys are ``int``
here, although the API writes them as text, because the gateway's are.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class RestModel(BaseModel):
    """Camel case outside, snake case inside, unknown fields welcome."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class UserTask(RestModel):
    """A user task.

    States: CREATING, CREATED, ASSIGNING, UPDATING, COMPLETING, COMPLETED, CANCELING, CANCELED, FAILED; a newer engine may know more.
    """

    user_task_key: int
    state: str = ""
    name: str | None = None
    element_id: str = ""
    element_instance_key: int | None = None
    assignee: str | None = None
    candidate_groups: list[str] = Field(default_factory=list[str])
    candidate_users: list[str] = Field(default_factory=list[str])
    creation_date: datetime | None = None
    completion_date: datetime | None = None
    due_date: datetime | None = None
    follow_up_date: datetime | None = None
    priority: int = 50
    form_key: int | None = None
    external_form_reference: str | None = None
    custom_headers: dict[str, str] = Field(default_factory=dict[str, str])
    process_definition_id: str = ""
    process_definition_key: int | None = None
    process_definition_version: int | None = None
    process_name: str | None = None
    process_instance_key: int | None = None
    root_process_instance_key: int | None = None
    business_id: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    tenant_id: str = "<default>"

    @field_validator("candidate_groups", "candidate_users", "tags", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or []

    @field_validator("custom_headers", mode="before")
    @classmethod
    def _no_headers(cls, value: Any) -> Any:
        return value or {}

    @field_validator("priority", mode="before")
    @classmethod
    def _usual_priority(cls, value: Any) -> Any:
        return 50 if value is None else value

    @property
    def key(self) -> int:
        """The user task's key."""
        return self.user_task_key


class Form(RestModel):
    """A form; ``form.schema`` is read from the text that the API carries it in."""

    form_key: int
    form_id: str = ""
    version: int = 0
    tenant_id: str = "<default>"
    # Not named as in the API: pydantic's models have a method of that name.
    definition: dict[str, Any] = Field(default_factory=dict[str, Any], alias="schema")

    @field_validator("definition", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @property
    def schema(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """form-js's schema of the form."""
        return self.definition


class ProcessInstanceItem(RestModel):
    """A process instance as a search finds it. States: ACTIVE, COMPLETED, TERMINATED."""

    process_instance_key: int
    state: str = ""
    process_definition_id: str = ""
    process_definition_key: int | None = None
    process_definition_name: str | None = None
    process_definition_version: int | None = None
    process_definition_version_tag: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    has_incident: bool = False
    parent_process_instance_key: int | None = None
    parent_element_instance_key: int | None = None
    root_process_instance_key: int | None = None
    business_id: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    tenant_id: str = "<default>"

    @field_validator("tags", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or []


class Incident(RestModel):
    """An incident. States: ACTIVE, MIGRATED, RESOLVED, PENDING."""

    incident_key: int
    state: str = ""
    error_type: str = ""
    error_message: str = ""
    element_id: str = ""
    element_instance_key: int | None = None
    process_definition_id: str = ""
    process_definition_key: int | None = None
    process_instance_key: int | None = None
    root_process_instance_key: int | None = None
    job_key: int | None = None
    creation_time: datetime | None = None
    tenant_id: str = "<default>"


class VariableItem(RestModel):
    """A variable as a search finds it."""

    name: str
    value: str = "null"
    is_truncated: bool = False
    variable_key: int | None = None
    scope_key: int | None = None
    process_instance_key: int | None = None
    root_process_instance_key: int | None = None
    tenant_id: str = "<default>"

    @property
    def parsed(self) -> Any:
        """The value as a Python value.

        Raises:
            ValueError: the text was cut off (``is_truncated``); search with ``truncate=False``.
        """
        return json.loads(self.value)


class Page(list[T], Generic[T]):
    """What one page of a search found: a list that also knows the whole.

    Attributes:
        total: how many there are over all pages, as far as the engine counts (Camunda: to 10,000).
        has_more_total: whether there are even more.
        end_cursor: goes into the next page's ``{"after": ...}``; ``None`` where the engine gives none.
    """

    def __init__(self, items: list[T], *, total: int, end_cursor: str | None, has_more_total: bool = False) -> None:
        super().__init__(items)
        self.total = total
        self.has_more_total = has_more_total
        self.end_cursor = end_cursor


class Caller(RestModel):
    """Who a cluster takes the caller for."""

    username: str | None = None
    display_name: str | None = None
    tenants: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    groups: list[str] = Field(default_factory=list[str])
    roles: list[str] = Field(default_factory=list[str])

    @field_validator("tenants", "groups", "roles", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or []


class Licence(RestModel):
    """What a cluster says about its licence."""

    valid_license: bool = False
    license_type: str = ""
    is_commercial: bool = False
    expires_at: datetime | None = None


M = TypeVar("M", bound=RestModel)


def page_of(model: type[M], body: Any) -> Page[M]:
    """Read a search's answer."""
    answer = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    items = [model.model_validate(item) for item in cast("list[object]", answer.get("items") or [])]
    page = cast("dict[str, Any]", answer.get("page") or {})
    total = page.get("totalItems")
    more = page.get("hasMoreTotalItems") is True
    return Page(items, total=total if isinstance(total, int) else len(items), end_cursor=page.get("endCursor"), has_more_total=more)
