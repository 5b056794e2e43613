"""The assertions of a test case, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from camunda_workers.testing.cases.selectors import (
    DecisionSelector,
    ElementSelector,
    IncidentSelector,
    MessageSelector,
    Part,
    ProcessSelector,
    Some,
    UserTaskSelector,
)


class AssertProcessInstance(Part):
    """The state of a process instance."""

    type: Literal["ASSERT_PROCESS_INSTANCE"]
    process_instance_selector: ProcessSelector
    state: Literal["IS_ACTIVE", "IS_COMPLETED", "IS_CREATED", "IS_TERMINATED"] | None = None
    has_active_incidents: bool | None = None


class AssertElementInstance(Part):
    """The state of one element, and how often."""

    type: Literal["ASSERT_ELEMENT_INSTANCE"]
    process_instance_selector: ProcessSelector
    element_selector: ElementSelector
    state: Literal["IS_ACTIVE", "IS_COMPLETED", "IS_TERMINATED"]
    amount: Annotated[int, Field(ge=1)] = 1


class AssertElementInstances(Part):
    """The state of several elements."""

    type: Literal["ASSERT_ELEMENT_INSTANCES"]
    process_instance_selector: ProcessSelector
    element_selectors: tuple[ElementSelector, ...]
    state: Literal[
        "IS_ACTIVE", "IS_COMPLETED", "IS_TERMINATED", "IS_NOT_ACTIVE", "IS_NOT_ACTIVATED", "IS_ACTIVE_EXACTLY", "IS_COMPLETED_IN_ORDER"
    ]


class AssertUserTask(Part):
    """A user task's attributes."""

    type: Literal["ASSERT_USER_TASK"]
    user_task_selector: UserTaskSelector
    state: Literal["IS_CREATED", "IS_COMPLETED", "IS_CANCELED", "IS_FAILED"] | None = None
    assignee: str | None = None
    candidate_groups: tuple[str, ...] | None = None
    priority: int | None = None
    element_id: str | None = None
    name: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None


class AssertDecision(Part):
    """What a decision gave."""

    type: Literal["ASSERT_DECISION"]
    decision_selector: DecisionSelector
    output: Any = None
    matched_rules: tuple[int, ...] | None = None
    not_matched_rules: tuple[int, ...] = ()
    no_matched_rules: bool = False


class AssertVariables(Part):
    """Variables' names and values."""

    type: Literal["ASSERT_VARIABLES"]
    process_instance_selector: ProcessSelector
    element_selector: ElementSelector | None = None
    variable_names: tuple[str, ...] = ()
    variables: Some


class AssertVariable(Part):
    """One variable, by a FEEL expression; the judge and the similarity of newer versions ask a language model."""

    type: Literal["ASSERT_VARIABLE"]
    process_instance_selector: ProcessSelector
    element_selector: ElementSelector | None = None
    variable_name: str
    satisfies_expression: str | None = None
    satisfies_judge: dict[str, Any] | None = None
    similar_to: dict[str, Any] | None = None


class AssertIncident(Part):
    """An incident's attributes."""

    type: Literal["ASSERT_INCIDENT"]
    incident_selector: IncidentSelector
    state: Literal["IS_ACTIVE", "IS_RESOLVED"] | None = None
    error_type: str | None = None
    error_message: str | None = None
    element_id: str | None = None


class AssertMessageSubscription(Part):
    """Whether a process instance waits for a message."""

    type: Literal["ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION"]
    process_instance_selector: ProcessSelector
    message_selector: MessageSelector
    state: Literal["IS_WAITING", "IS_NOT_WAITING", "IS_CORRELATED"]
