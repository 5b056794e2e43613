"""Outcomes with more to say: ad-hoc sub-processes, and the back-off as a function of the attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from camunda_workers import RetryPolicy, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.outcome import ActivateElement, AdHoc
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import JobEngine

AD_HOC = pb.ActivatedJob.JobKind.AD_HOC_SUB_PROCESS
QUICK = Polling(request_timeout=timedelta(seconds=5))


@pytest.mark.parametrize("wrong", [{"done": True, "activate": ["a"]}, {"cancel_remaining": True}])
def test_what_excludes_each_other_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="done"):
        AdHoc(**wrong)


async def test_what_comes_next_is_sent_and_checked() -> None:
    engine = JobEngine()

    @worker("decide")
    async def decide(what: str) -> AdHoc:
        match what:
            case "done":
                return AdHoc(done=True, cancel_remaining=True)
            case "odd":
                return AdHoc(activate=[ActivateElement("a", {"x": float("nan")})])
            case _:
                return AdHoc(activate=["a", ActivateElement("b", {"x": 1})], variables={"v": 2})

    keys = {what: engine.add("decide", {"what": what}, kind=AD_HOC) for what in ("next", "done", "odd")}
    plain = engine.add("decide", {"what": "next"})
    async with WorkerRunner(engine, [Router(decide)], polling=QUICK):
        await engine.all_ended(4)
    result = engine.outcome(keys["next"]).result
    assert result is not None
    assert [(element.elementId, element.variables) for element in result.activateElements] == [("a", "{}"), ("b", '{"x":1}')]
    assert (result.type, result.isCompletionConditionFulfilled) == ("adHocSubProcess", False)
    assert dict(engine.outcome(keys["next"]).variables) == {"v": 2}
    done = engine.outcome(keys["done"]).result
    assert done is not None
    assert (done.isCompletionConditionFulfilled, done.isCancelRemainingInstances, len(done.activateElements)) == (True, True, 0)
    assert "cannot be sent" in engine.outcome(keys["odd"]).message
    assert "this is no job of an ad-hoc sub-process" in engine.outcome(plain).message


async def test_the_back_off_may_be_a_function_of_the_attempt() -> None:
    engine = JobEngine()
    policy = RetryPolicy(back_off=lambda attempt: timedelta(seconds=attempt * 10), spread=0, retries=5)

    @worker("flaky", retries=policy)
    async def flaky() -> None:
        raise OSError("away")

    keys = [engine.add("flaky", retries=left) for left in (5, 4, 2, 1)]
    async with WorkerRunner(engine, [Router(flaky)], polling=QUICK):
        await engine.all_ended(4)
    assert [engine.outcome(key).back_off.total_seconds() for key in keys] == [10, 20, 40, 0]
    assert [engine.outcome(key).retries for key in keys] == [4, 3, 1, 0]
