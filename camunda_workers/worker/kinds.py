"""What a job stands for: a task, or a listener with the user task it listens to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from camunda_workers.client.proto import gateway_pb2 as pb


class JobKind(StrEnum):
    """What a job stands for."""

    BPMN_ELEMENT = "BPMN_ELEMENT"
    EXECUTION_LISTENER = "EXECUTION_LISTENER"
    TASK_LISTENER = "TASK_LISTENER"
    AD_HOC_SUB_PROCESS = "AD_HOC_SUB_PROCESS"
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this package."""


class ListenerEvent(StrEnum):
    """What a listener's job was made for."""

    CREATING = "CREATING"
    ASSIGNING = "ASSIGNING"
    UPDATING = "UPDATING"
    COMPLETING = "COMPLETING"
    CANCELING = "CANCELING"
    START = "START"
    END = "END"
    UNKNOWN = "UNKNOWN"
    """An event that is newer than this package."""


@dataclass(frozen=True, slots=True)
class ListenedUserTask:
    """The user task that a task listener's job is about, as it would be after the change.

    Attributes:
        key: the user task's key.
        action: what the caller named the action (``complete``, ``approve`` ...).
        assignee: the task's assignee; Camunda does not tell who made the call.
        candidate_users: users who may claim it.
        candidate_groups: groups whose members may claim it.
        changed_attributes: what an update changes.
        due_date: ISO 8601.
        follow_up_date: ISO 8601.
        form_key: key of its Camunda form.
        priority: 0 to 100.
    """

    key: int | None = None
    action: str | None = None
    assignee: str | None = None
    candidate_users: Sequence[str] = ()
    candidate_groups: Sequence[str] = ()
    changed_attributes: Sequence[str] = ()
    due_date: str | None = None
    follow_up_date: str | None = None
    form_key: int | None = None
    priority: int | None = None


# By number, because every job is asked: a look-up by name costs more than all the rest that is asked of it.
_KINDS: dict[int, JobKind] = {number: JobKind(name) for name, number in pb.ActivatedJob.JobKind.items()}


def kind_of(job: pb.ActivatedJob) -> JobKind:
    """The job's kind."""
    return _KINDS.get(job.kind, JobKind.UNKNOWN)


def event_of(job: pb.ActivatedJob) -> ListenerEvent:
    """What a listener's job was made for; means nothing for other jobs."""
    try:
        return ListenerEvent(pb.ActivatedJob.ListenerEventType.Name(cast("Any", job.listenerEventType)))
    except ValueError:
        return ListenerEvent.UNKNOWN


def user_task_of(job: pb.ActivatedJob) -> ListenedUserTask | None:
    """The user task that a listener's job is about."""
    if not job.HasField("userTask"):
        return None
    task = job.userTask

    def value(name: str) -> Any:
        return getattr(task, name) if task.HasField(cast("Any", name)) else None

    return ListenedUserTask(
        key=value("userTaskKey"),
        action=value("action"),
        assignee=value("assignee") or None,
        candidate_users=tuple(task.candidateUsers),
        candidate_groups=tuple(task.candidateGroups),
        changed_attributes=tuple(task.changedAttributes),
        due_date=value("dueDate") or None,
        follow_up_date=value("followUpDate") or None,
        form_key=value("formKey"),
        priority=value("priority"),
    )
