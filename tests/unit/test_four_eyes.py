"""Four eyes: who assessed does not approve, whatever the spelling and the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from camunda_workers import Deny, JobContext
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.tasks import four_eyes

CHECK = four_eyes(not_by=["assess-claim", "check-claim"])


class NoGateway:
    async def update_job_timeout(self, job_key: int, timeout: timedelta) -> None:
        raise AssertionError("not expected here")


class History:
    def __init__(self, **who: list[str]) -> None:
        self._who = {name.replace("_", "-"): names for name, names in who.items()}
        self.asked: list[tuple[int, str]] = []

    async def completed_by(self, process_instance_key: int, element_id: str) -> list[str]:
        self.asked.append((process_instance_key, element_id))
        return self._who.get(element_id, [])


def listening(event: Any, assignee: str | None) -> JobContext:
    task = pb.UserTaskProperties(assignee=assignee) if assignee is not None else pb.UserTaskProperties()
    job = pb.ActivatedJob(key=1, processInstanceKey=11, kind=pb.ActivatedJob.JobKind.TASK_LISTENER, listenerEventType=event, userTask=task)
    return JobContext(job, gateway=NoGateway(), timeout=timedelta(minutes=1))


ASSIGNING = pb.ActivatedJob.ListenerEventType.ASSIGNING
COMPLETING = pb.ActivatedJob.ListenerEventType.COMPLETING


@pytest.mark.parametrize("event", [ASSIGNING, COMPLETING])
async def test_somebody_else_may(event: Any) -> None:
    history = History(assess_claim=["grace"])
    assert await CHECK(history, listening(event, "dmitri")) is None
    assert history.asked == [(11, "assess-claim"), (11, "check-claim")]


@pytest.mark.parametrize("event", [ASSIGNING, COMPLETING])
@pytest.mark.parametrize("name", ["grace", "Grace", " grace ", "GRACE", "ｇｒａｃｅ"])
async def test_the_same_person_may_not_in_any_spelling(event: Any, name: str) -> None:
    with pytest.raises(Deny, match="already completed 'assess-claim'"):
        await CHECK(History(assess_claim=["amelia", "grace"]), listening(event, name))


async def test_every_named_element_counts() -> None:
    with pytest.raises(Deny, match="'check-claim'"):
        await CHECK(History(assess_claim=["amelia"], check_claim=["grace"]), listening(COMPLETING, "grace"))


@pytest.mark.parametrize("nobody", [None, ""])
async def test_nobody_cannot_complete_but_a_task_may_be_given_back(nobody: str | None) -> None:
    with pytest.raises(Deny, match="assign it to somebody"):
        await CHECK(History(), listening(COMPLETING, nobody))
    assert await CHECK(History(), listening(ASSIGNING, nobody)) is None


async def test_an_unknown_predecessor_is_a_denial() -> None:
    with pytest.raises(Deny, match="not known who completed 'assess-claim'"):
        await CHECK(History(assess_claim=[""]), listening(COMPLETING, "grace"))


async def test_a_path_without_the_other_task_needs_nothing() -> None:
    assert await CHECK(History(), listening(COMPLETING, "grace")) is None


def test_the_worker_is_defined_for_listeners() -> None:
    assert CHECK.definition.job_type == "four-eyes"
    assert four_eyes("my-type", not_by=["x"]).definition.job_type == "my-type"
