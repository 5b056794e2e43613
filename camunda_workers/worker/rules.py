"""Which outcomes the engine takes for which job, so that a wrong one becomes an incident with a clear text and not a refused command.

The rules are those of Camunda 8.8's engine (JobCompleteProcessor, JobThrowErrorProcessor) and its documentation of user task listeners.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.kinds import JobKind, ListenerEvent
from camunda_workers.worker.outcome import AdHoc, Bpmn, Completed, Denied, Failed, Outcome

ANY_CODE: Final = "*"
"""The code of a declared error that stands for every one: tasks that come from where none are declared."""

_DENIABLE = (ListenerEvent.ASSIGNING, ListenerEvent.UPDATING, ListenerEvent.COMPLETING, ListenerEvent.UNKNOWN)
_LISTENERS = (JobKind.EXECUTION_LISTENER, JobKind.TASK_LISTENER)


def checked(outcome: Outcome, context: JobContext, definition: Definition) -> Outcome:
    """The outcome, or a failure that says why the engine would not take it."""
    match outcome:
        case Completed():
            problem = _completed(outcome, context)
        case Bpmn():
            problem = _bpmn(outcome, context, definition)
        case Denied():
            problem = _denied(context)
        case Failed():
            return outcome
        case _:
            assert_never(outcome)
    if problem is None:
        return outcome
    return Failed(f"job type '{context.type}' at element '{context.element_id}' ({definition.name}): {problem}")


def _completed(outcome: Completed, context: JobContext) -> str | None:
    if outcome.variables and context.kind is JobKind.TASK_LISTENER:
        return f"a task listener cannot set variables, but it returned {_listed(outcome.variables)}. Fix: return None, Corrected or Denied"
    if isinstance(outcome.result, AdHoc):
        if context.kind not in (JobKind.AD_HOC_SUB_PROCESS, JobKind.UNKNOWN):
            return "it returned AdHoc, but this is no job of an ad-hoc sub-process. Fix: return variables, or None"
        return None
    if outcome.result is not None and context.kind not in (JobKind.TASK_LISTENER, JobKind.UNKNOWN):
        return "it returned Corrected, but only a user task listener can correct a user task. Fix: return variables, or None"
    return None


def _bpmn(outcome: Bpmn, context: JobContext, definition: Definition) -> str | None:
    if outcome.code not in definition.error_codes and ANY_CODE not in definition.error_codes:
        declared = _listed(definition.error_codes) or "none"
        return (
            f"it raised the BPMN error '{outcome.code}' ({outcome.message or 'no message'}) without declaring it; declared: {declared}. "
            f"Fix: add the error's class to @worker('{context.type}', errors=[...]) and an event for the code to the diagram"
        )
    if context.kind in _LISTENERS:
        return f"a listener cannot throw a BPMN error, but it raised '{outcome.code}'. Fix: throw it from the task's own worker"
    return None


def _denied(context: JobContext) -> str | None:
    if context.kind not in (JobKind.TASK_LISTENER, JobKind.UNKNOWN):
        return "it denied, but only a user task listener can deny. Fix: raise a BpmnError or an exception"
    if context.listener_event is not None and context.listener_event not in _DENIABLE:
        event = context.listener_event.lower()
        return f"it denied on the event '{event}', but only assigning, updating and completing can be denied"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
