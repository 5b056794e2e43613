"""How instructions name what they are about."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Variables = dict[str, Any]
Some = Annotated[Variables, Field(default_factory=dict)]
"""Variables that may be left out."""


class Part(BaseModel):
    """A part of a test case: camelCase in the file, nothing that the format does not know."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class Selector(Part):
    """Names something by at least one of its fields."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not any(value is not None for value in dict(self).values()):
            raise ValueError(f"names nothing: give one of {', '.join(to_camel(name) for name in type(self).model_fields)}")
        return self

    def text(self) -> str:
        """For messages."""
        return ", ".join(f"{to_camel(name)} '{value}'" for name, value in self if value is not None)


class ProcessSelector(Selector):
    """A process definition, or the process instance of one."""

    process_definition_id: str | None = None


class ElementSelector(Selector):
    """A BPMN element."""

    element_id: str | None = None
    element_name: str | None = None


class JobSelector(Selector):
    """A job."""

    job_type: str | None = None
    element_id: str | None = None
    process_definition_id: str | None = None


class UserTaskSelector(Selector):
    """A user task."""

    element_id: str | None = None
    task_name: str | None = None
    process_definition_id: str | None = None


class IncidentSelector(Selector):
    """An incident."""

    element_id: str | None = None
    process_definition_id: str | None = None


class DecisionSelector(Selector):
    """A decision."""

    decision_definition_id: str | None = None
    decision_definition_name: str | None = None


class MessageSelector(Part):
    """A message."""

    message_name: str
    correlation_key: str | None = None
