"""What a listener's or an ad-hoc sub-process's job decides."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Moment

_RECORD_NAMES = {"candidateUsers": "candidateUsersList", "candidateGroups": "candidateGroupsList"}


class _Corrections(Body):
    assignee: str | None = None
    due_date: Moment | None = None
    follow_up_date: Moment | None = None
    candidate_users: list[str] | None = None
    candidate_groups: list[str] | None = None
    priority: int | None = Field(default=None, ge=0, le=100)


class _Element(Body):
    element_id: str = ""
    variables: Document = EMPTY


class JobResult(Body):
    """For a user task's listener: denial or corrections. For an ad-hoc sub-process: what to activate, and whether it is done."""

    type: Literal["userTask", "adHocSubProcess", ""] = ""
    denied: bool = False
    denied_reason: str = ""
    corrections: _Corrections | None = None
    activate_elements: list[_Element] = []
    is_completion_condition_fulfilled: bool = False
    is_cancel_remaining_instances: bool = False

    def fields(self) -> dict[str, Any]:
        """Return the result as the engine's record has it."""
        given = {} if self.corrections is None else self.corrections.model_dump(by_alias=True, exclude_none=True)
        corrections = {_RECORD_NAMES.get(name, name): value for name, value in given.items()}
        return {
            "type": "AD_HOC_SUB_PROCESS" if self.type == "adHocSubProcess" else "USER_TASK",
            "denied": self.denied,
            "deniedReason": self.denied_reason,
            "corrections": corrections,
            "correctedAttributes": list(corrections),
            "activateElements": [{"elementId": one.element_id, "variables": one.variables} for one in self.activate_elements],
            "isCompletionConditionFulfilled": self.is_completion_condition_fulfilled,
            "isCancelRemainingInstances": self.is_cancel_remaining_instances,
        }
