"""One worker function alone, with the surroundings a test chooses."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import pytest

from camunda_workers import BpmnError, Header, JobContext, Provided, RetryPolicy, worker
from camunda_workers.errors import ConfigurationError, NotFound
from camunda_workers.testing import JobEnvironment
from camunda_workers.worker import Bpmn, Completed, Denied, Deny, Failed


class Mailer:
    def __init__(self) -> None:
        self.sent: list[str] = []


class NoAddress(BpmnError):
    code = "NO_ADDRESS"


@worker("tell", errors=[NoAddress], retries=RetryPolicy(spread=0))
async def tell(
    name: str, channel: Annotated[str, Header("channel")], mailer: Annotated[Mailer, Provided], job: JobContext
) -> dict[str, str]:
    if not name:
        raise NoAddress("nobody to tell")
    if name == "offline":
        raise ConnectionError("no network")
    await job.extend(timedelta(minutes=5))
    mailer.sent.append(name)
    return {"told": f"{name} by {channel}, try {4 - job.retries}, case {job.business_id}"}


@worker("waits")
async def waits() -> None:
    await asyncio.sleep(60)


@worker("guards")
async def guards(job: JobContext) -> None:
    assert job.user_task is not None
    if job.user_task.assignee == "ada":
        raise Deny("not ada")


async def test_the_function_runs_with_its_surroundings() -> None:
    mailer = Mailer()
    environment = JobEnvironment(headers={"channel": "email"}, retries=2, business_id="C-1")
    outcome = await environment.run(tell, name="Ada", resources={Mailer: mailer})
    assert outcome == Completed({"told": "Ada by email, try 2, case C-1"})
    assert mailer.sent == ["Ada"]
    assert environment.extended == [timedelta(minutes=5)]


async def test_outcomes_are_those_of_the_real_worker() -> None:
    resources = {Mailer: Mailer()}
    environment = JobEnvironment(headers={"channel": "email"})
    assert await environment.run(tell, name="", resources=resources) == Bpmn("NO_ADDRESS", "nobody to tell")
    assert await environment.run(tell, name="offline", resources=resources) == Failed(
        "ConnectionError: no network", 2, timedelta(seconds=1)
    )
    last = JobEnvironment(headers={"channel": "email"}, retries=1)
    assert await last.run(tell, name="offline", resources=resources) == Failed("ConnectionError: no network", 0)
    wrong = await environment.run(tell, resources=resources)
    assert isinstance(wrong, Failed)
    assert "name" in wrong.message
    with pytest.raises(AssertionError, match="should have completed its job, but: Bpmn"):
        await environment.value(tell, name="", resources=resources)


async def test_missing_resources_and_lost_jobs() -> None:
    with pytest.raises(ConfigurationError, match="needs Mailer for its parameter 'mailer'"):
        await JobEnvironment().run(tell, name="Ada")
    gone = await JobEnvironment(headers={"channel": "sms"}, is_gone=True).run(tell, name="Ada", resources={Mailer: Mailer()})
    assert isinstance(gone, Failed)
    assert isinstance(gone.cause, NotFound)


async def test_cancellation() -> None:
    environment = JobEnvironment()
    running = asyncio.create_task(environment.run(waits))
    await asyncio.sleep(0.01)
    environment.cancel("stopping")
    outcome = await running
    assert isinstance(outcome, Failed)
    assert (outcome.message, outcome.retries) == ("stopping", 3)
    with pytest.raises(ConfigurationError, match="nothing to cancel"):
        environment.cancel()


async def test_task_listeners() -> None:
    listener = JobEnvironment(kind="TASK_LISTENER", listener_event="COMPLETING", user_task={"assignee": "ada", "candidateGroups": ["a"]})
    assert await listener.run(guards) == Denied("not ada")
    with pytest.raises(ConfigurationError, match="there is no kind 'TASK_LISTNER'; there are TASK_LISTENER"):
        JobEnvironment(kind="TASK_LISTNER")
