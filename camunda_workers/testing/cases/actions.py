"""What instructions do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any, assert_never

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.variables import to_json
from camunda_workers.errors import InvalidArgument, NotSupported
from camunda_workers.testing.cases import model
from camunda_workers.testing.cases.scene import Scene
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.outcome import Bpmn

_DURATION = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of weeks to seconds (as Java's, without years and months, whose length depends).

    Raises:
        InvalidArgument: it is something else, or negative.
    """
    found = _DURATION.fullmatch(text.strip().upper())
    parts = {name: float(value) for name, value in found.groupdict().items() if name != "sign" and value} if found else {}
    if found is None or not parts:
        raise InvalidArgument(f"'{text}' is not an ISO 8601 duration such as PT1H or P2D")
    if found["sign"] == "-":
        raise InvalidArgument(f"time does not go backwards: the duration {text} is negative")
    return timedelta(**parts)


def instant(text: str) -> datetime:
    """An ISO 8601 instant.

    Raises:
        InvalidArgument: it is none, or has no time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f"'{text}' is not an ISO 8601 instant such as 2040-01-19T13:00:00Z") from None
    if moment.tzinfo is None:
        raise InvalidArgument(f"'{text}' has no time zone: write 2040-01-19T13:00:00Z")
    return moment


async def act(scene: Scene, one: model.Action) -> None:
    """Carry out one instruction."""
    kit = scene.kit
    match one:
        case model.CreateProcessInstance():
            await kit.start(
                str(one.process_definition_selector.process_definition_id),
                one.variables,
                start_before=[start.element_id for start in one.start_instructions],
                terminate_after=[end.after_element_id for end in one.runtime_instructions],
            )
        case model.MockJobWorkerCompleteJob():
            answer: Any = partial(_example, scene) if one.use_example_data else one.variables
            kit.mock_job(one.job_type, returns=answer)
        case model.MockJobWorkerThrowBpmnError():
            kit.mock_job(one.job_type, returns=Bpmn(one.error_code, one.error_message, one.variables))
        case model.MockChildProcess():
            await kit.mock_child_process(one.process_definition_id, returns=one.variables, version_tag=one.version_tag or "")
        case model.MockDmnDecision():
            given = "decision_output" in one.model_fields_set
            await kit.mock_decision(one.decision_definition_id, returns=one.decision_output if given else one.variables)
        case model.EvaluateDecision():
            await kit.evaluate(str(one.decision_definition_selector.decision_definition_id), one.variables)
        case model.EvaluateConditionalStartEvent():
            raise NotSupported("EVALUATE_CONDITIONAL_START_EVENT needs an engine from 8.9 on: conditional start events are new there")
        case model.PublishMessage():
            await kit.publish(
                one.name, one.correlation_key, one.variables, ttl=timedelta(milliseconds=one.time_to_live or 0), message_id=one.message_id
            )
        case model.CorrelateMessage():
            await kit.correlate(one.name, one.correlation_key, one.variables)
        case model.BroadcastSignal():
            await kit.broadcast(one.signal_name, one.variables)
        case model.IncreaseTime():
            await kit.advance(duration(one.duration))
        case model.SetTime():
            await kit.advance_to(instant(one.time))
        case model.UpdateVariables():
            instance = await scene.instance(one.process_instance_selector)
            scope, is_local = instance.key, one.create_local_variables
            if one.element_selector is not None:
                scope = (await kit.active_element(instance, await scene.element(instance, one.element_selector))).key
            await kit.do(kit.client.set_variables(scope, one.variables, local=is_local), instance.key)
        case model.ResolveIncident():
            incident = await scene.incident(one.incident_selector)
            if incident.value["jobKey"] > 0:
                await kit.client.update_job_retries(incident.value["jobKey"], 1)
            await kit.client.resolve_incident(incident.key)
        case model.CompleteUserTask():
            task = await scene.task(one.user_task_selector, open_only=True)
            variables = scene.example(task.element_id, kit.journal.tasks[task.key].instance) if one.use_example_data else one.variables
            await task.complete(variables)
        case model.CompleteJob() | model.CompleteJobAdHocSubProcess() | model.CompleteJobUserTaskListener() | model.ThrowBpmnErrorFromJob():
            await _job(scene, one)
        case _:
            assert_never(one)


async def _job(
    scene: Scene,
    one: model.CompleteJob | model.CompleteJobAdHocSubProcess | model.CompleteJobUserTaskListener | model.ThrowBpmnErrorFromJob,
) -> None:
    client = scene.kit.client
    job = await scene.job(one.job_selector)
    match one:
        case model.CompleteJob():
            variables = scene.example(job.element_id, job.instance) if one.use_example_data else one.variables
            await client.complete_job(job.key, variables)
        case model.ThrowBpmnErrorFromJob():
            await client.throw_error(job.key, one.error_code, one.error_message, one.variables)
        case model.CompleteJobUserTaskListener():
            await client.complete_job(job.key, result=_listener_result(one))
        case model.CompleteJobAdHocSubProcess():
            elements = [pb.JobResultActivateElement(elementId=e.element_id, variables=to_json(e.variables)) for e in one.activate_elements]
            result = pb.JobResult(
                type="adHocSubProcess",
                activateElements=elements,
                isCompletionConditionFulfilled=one.completion_condition_fulfilled,
                isCancelRemainingInstances=one.cancel_remaining_instances,
            )
            await client.complete_job(job.key, one.variables, result=result)
        case _:
            assert_never(one)


def _listener_result(one: model.CompleteJobUserTaskListener) -> pb.JobResult:
    result = pb.JobResult(type="userTask", denied=one.denied, deniedReason=one.denied_reason or "")
    given = one.corrections
    if given is not None and not one.denied:
        corrections = result.corrections
        for name in ("assignee", "due_date", "follow_up_date", "priority"):
            if (value := getattr(given, name)) is not None:
                setattr(corrections, {"due_date": "dueDate", "follow_up_date": "followUpDate"}.get(name, name), value)
        if given.candidate_users is not None:
            corrections.candidateUsers.values.extend(given.candidate_users)
        if given.candidate_groups is not None:
            corrections.candidateGroups.values.extend(given.candidate_groups)
    return result


async def _example(scene: Scene, job: JobContext) -> dict[str, Any]:
    await scene.kit.waiting.look_around()
    return scene.example(job.element_id, job.process_instance_key)
