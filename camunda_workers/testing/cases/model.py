"""The instructions of a test case, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from camunda_workers.testing.cases.model_assertions import (
    AssertDecision,
    AssertElementInstance,
    AssertElementInstances,
    AssertIncident,
    AssertMessageSubscription,
    AssertProcessInstance,
    AssertUserTask,
    AssertVariable,
    AssertVariables,
)
from camunda_workers.testing.cases.selectors import (
    DecisionSelector,
    ElementSelector,
    IncidentSelector,
    JobSelector,
    Part,
    ProcessSelector,
    Some,
    UserTaskSelector,
    Variables,
)


class StartAt(Part):
    """Where an instance starts instead of its start event."""

    element_id: str


class TerminateAfter(Part):
    """Where an instance is terminated."""

    type: Literal["TERMINATE_PROCESS_INSTANCE"]
    after_element_id: str


class CreateProcessInstance(Part):
    """Start a process instance."""

    type: Literal["CREATE_PROCESS_INSTANCE"]
    process_definition_selector: ProcessSelector
    variables: Some
    start_instructions: tuple[StartAt, ...] = ()
    runtime_instructions: tuple[TerminateAfter, ...] = ()


class CompleteJob(Part):
    """Complete a job."""

    type: Literal["COMPLETE_JOB"]
    job_selector: JobSelector
    variables: Some
    use_example_data: bool = False


class ActivateElement(Part):
    """An element that an ad-hoc sub-process activates."""

    element_id: str
    variables: Some


class CompleteJobAdHocSubProcess(Part):
    """Complete the job of an ad-hoc sub-process."""

    type: Literal["COMPLETE_JOB_AD_HOC_SUB_PROCESS"]
    job_selector: JobSelector
    variables: Some
    activate_elements: tuple[ActivateElement, ...] = ()
    cancel_remaining_instances: bool = False
    completion_condition_fulfilled: bool = False


class Corrections(Part):
    """What a listener changes in its user task."""

    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    candidate_users: tuple[str, ...] | None = None
    candidate_groups: tuple[str, ...] | None = None
    priority: int | None = None


class CompleteJobUserTaskListener(Part):
    """Complete the job of a user task listener."""

    type: Literal["COMPLETE_JOB_USER_TASK_LISTENER"]
    job_selector: JobSelector
    denied: bool = False
    denied_reason: str | None = None
    corrections: Corrections | None = None


class ThrowBpmnErrorFromJob(Part):
    """End a job with a BPMN error."""

    type: Literal["THROW_BPMN_ERROR_FROM_JOB"]
    job_selector: JobSelector
    error_code: str
    error_message: str = ""
    variables: Some


class CompleteUserTask(Part):
    """Complete a user task."""

    type: Literal["COMPLETE_USER_TASK"]
    user_task_selector: UserTaskSelector
    variables: Some
    use_example_data: bool = False


class MockJobWorkerCompleteJob(Part):
    """Complete every job of a type."""

    type: Literal["MOCK_JOB_WORKER_COMPLETE_JOB"]
    job_type: str
    variables: Some
    use_example_data: bool = False


class MockJobWorkerThrowBpmnError(Part):
    """End every job of a type with a BPMN error."""

    type: Literal["MOCK_JOB_WORKER_THROW_BPMN_ERROR"]
    job_type: str
    error_code: str
    error_message: str = ""
    variables: Some


class MockChildProcess(Part):
    """Let a called process end at once."""

    type: Literal["MOCK_CHILD_PROCESS"]
    process_definition_id: str
    version_tag: str | None = None
    variables: Some


class MockDmnDecision(Part):
    """Let a decision answer always the same."""

    type: Literal["MOCK_DMN_DECISION"]
    decision_definition_id: str
    variables: Some
    decision_output: Any = None


class EvaluateDecision(Part):
    """Evaluate a decision by itself."""

    type: Literal["EVALUATE_DECISION"]
    decision_definition_selector: DecisionSelector
    variables: Some


class EvaluateConditionalStartEvent(Part):
    """Evaluate conditional start events (engines from 8.9 on have them)."""

    type: Literal["EVALUATE_CONDITIONAL_START_EVENT"]
    variables: Variables


class PublishMessage(Part):
    """Publish a message; the time to live is in milliseconds."""

    type: Literal["PUBLISH_MESSAGE"]
    name: str
    correlation_key: str = ""
    variables: Some
    time_to_live: int | None = None
    message_id: str = ""


class CorrelateMessage(Part):
    """Correlate a message with somebody who waits for it now."""

    type: Literal["CORRELATE_MESSAGE"]
    name: str
    correlation_key: str = ""
    variables: Some


class BroadcastSignal(Part):
    """Broadcast a signal."""

    type: Literal["BROADCAST_SIGNAL"]
    signal_name: str
    variables: Some


class IncreaseTime(Part):
    """Move time forward by an ISO 8601 duration."""

    type: Literal["INCREASE_TIME"]
    duration: str


class SetTime(Part):
    """Move time forward to an ISO 8601 instant."""

    type: Literal["SET_TIME"]
    time: str


class UpdateVariables(Part):
    """Set variables."""

    type: Literal["UPDATE_VARIABLES"]
    process_instance_selector: ProcessSelector
    variables: Variables
    element_selector: ElementSelector | None = None
    create_local_variables: bool = False


class ResolveIncident(Part):
    """Resolve an incident; a job gets a retry first."""

    type: Literal["RESOLVE_INCIDENT"]
    incident_selector: IncidentSelector


Assertion = (
    AssertProcessInstance | AssertElementInstance | AssertElementInstances | AssertUserTask | AssertDecision | AssertVariables | AssertVariable
    | AssertIncident | AssertMessageSubscription
)  # fmt: skip
Action = (
    CreateProcessInstance | CompleteJob | CompleteJobAdHocSubProcess | CompleteJobUserTaskListener | ThrowBpmnErrorFromJob | CompleteUserTask
    | MockJobWorkerCompleteJob | MockJobWorkerThrowBpmnError | MockChildProcess | MockDmnDecision | EvaluateDecision | EvaluateConditionalStartEvent
    | PublishMessage | CorrelateMessage | BroadcastSignal | IncreaseTime | SetTime | UpdateVariables | ResolveIncident
)  # fmt: skip


class ConditionalBehavior(Part):
    """Do an action whenever all conditions hold; the first time the first one, and so on, the last one again and again."""

    type: Literal["CONDITIONAL_BEHAVIOR"]
    name: str | None = None
    conditions: Annotated[tuple[Annotated[Assertion, Field(discriminator="type")], ...], Field(min_length=1)]
    actions: Annotated[tuple[Annotated[Action | Assertion, Field(discriminator="type")], ...], Field(min_length=1)]


Instruction = Assertion | Action | ConditionalBehavior


class TestCase(Part):
    """One test case; Web Modeler's own additions are left alone.

    Attributes:
        refusal: why it cannot be run here; no part of the format.
    """

    __test__ = False  # pytest: not a class of tests
    model_config = Part.model_config | {"extra": "ignore"}

    name: str
    description: str = ""
    instructions: tuple[Annotated[Instruction, Field(discriminator="type")], ...]
    refusal: str = ""


class TestCases(Part):
    """A file of test cases."""

    __test__ = False
    model_config = Part.model_config | {"extra": "ignore"}

    test_cases: tuple[TestCase, ...]
