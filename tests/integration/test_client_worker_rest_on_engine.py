"""Workers over REST where gRPC is closed: the whole way on Camunda's engine, and what the wire looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from camunda_workers import BpmnError, Client, Corrected, JobContext, RetryPolicy, Router, WorkerRunner, worker
from camunda_workers.client import Resource
from camunda_workers.client.jobs_rest import RestJobs
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import InvalidState, NotFound, NotSupported
from camunda_workers.settings import Settings
from camunda_workers.worker.outcome import Denied
from camunda_workers.worker.polling import Polling
from tests.support.diagrams import ONE_TASK, process, sequence, user_task
from tests.support.job_gateway import eventually

pytestmark = pytest.mark.engine
POLLING = Polling(request_timeout=timedelta(seconds=5))
LISTENED = process("listened", sequence(user_task("approve", listener=("assigning", "four-eyes"))))


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(settings=Settings(grpc_address=engine.grpc_address, rest_address=engine.rest_address)) as opened:
        await opened.deploy(Resource("one.bpmn", ONE_TASK), Resource("listened.bpmn", LISTENED))
        yield opened


class Odd(BpmnError):
    code = "ODD"


async def test_every_outcome_over_rest(client: Client) -> None:
    seen: list[JobContext] = []

    @worker("work", errors=[Odd], retries=RetryPolicy(back_off=timedelta(0)))
    async def work(number: int, job: JobContext) -> dict[str, int]:
        seen.append(job)
        if number == 1 and job.retries > 2:
            raise OSError("away")
        if number == 2:
            raise Odd("odd")
        await job.extend(timedelta(minutes=5))
        return {"twice": number * 2}

    @worker("four-eyes")
    async def four_eyes(job: JobContext) -> Corrected | Denied:
        assert job.user_task is not None
        return Denied("not you") if job.user_task.assignee == "eve" else Corrected(candidate_groups=["checked"], priority=70)

    async with WorkerRunner(client.jobs_over_rest(), [Router(work, four_eyes)], polling=POLLING) as runner:
        good = await client.start_with_result("one-task", {"number": 21}, business_id="CLM-7", timeout=timedelta(seconds=20))
        assert good.variables == {"number": 21, "twice": 42}
        assert (seen[0].business_id, seen[0].element_id, seen[0].bpmn_process_id) == ("CLM-7", "work", "one-task")
        flaky = await client.start_with_result("one-task", {"number": 1}, timeout=timedelta(seconds=20))
        assert flaky.variables["twice"] == 2
        await client.start("one-task", {"number": 2})
        await eventually(lambda: runner.stats["work"].bpmn_errors == 1)
        assert runner.stats["work"].pushed == 0

        started = await client.start("listened")
        found = await client.search_user_tasks({"process_instance_key": started.process_instance_key})
        task = found[0]
        with pytest.raises(InvalidState, match="not you"):
            await client.assign_user_task(task.user_task_key, "eve")
        await client.assign_user_task(task.user_task_key, "ada")
        shown = await client.get_user_task(task.user_task_key)
        assert (shown.assignee, shown.candidate_groups, shown.priority) == ("ada", ["checked"], 70)


async def test_a_job_is_changed_and_refused_over_rest(client: Client, engine: EmbeddedEngine) -> None:
    jobs = client.jobs_over_rest()
    await client.start("one-task", {"number": 1, "secret": "x"})
    (job,) = await jobs.activate_jobs("work", worker="me", timeout=timedelta(minutes=1), max_jobs=5, fetch_variables=["number"])
    assert (job.variables, job.worker, job.retries) == ('{"number": 1}', "me", 3)
    await jobs.update_job_retries(job.key, 7)
    await jobs.update_job_timeout(job.key, timedelta(minutes=10))
    await jobs.fail_job(job.key, retries=6, message="later")
    (again,) = await jobs.activate_jobs("work", worker="me", timeout=timedelta(minutes=1), max_jobs=5)
    assert (again.key, again.retries) == (job.key, 6)
    await jobs.complete_job(job.key, {"done": True})
    with pytest.raises(NotFound):
        await jobs.complete_job(job.key)
    assert (
        await jobs.activate_jobs("work", worker="me", timeout=timedelta(minutes=1), max_jobs=5, request_timeout=timedelta(seconds=-1)) == []
    )
    with pytest.raises(NotSupported):
        async for _ in jobs.stream_jobs("work", worker="me", timeout=timedelta(minutes=1)):
            pass


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/jobs/activation", {"type": "", "timeout": 1, "maxJobsToActivate": 1}, 400),
        ("POST", "/jobs/activation", {"type": "a", "timeout": 0, "maxJobsToActivate": 1}, 400),
        ("POST", "/jobs/activation", {"type": "a", "timeout": 1000, "maxJobsToActivate": 0}, 400),
        ("POST", "/jobs/activation", {"type": "a", "timeout": 1000, "maxJobsToActivate": 10**9, "requestTimeout": -1}, 200),
        ("POST", "/jobs/activation", {"type": "a", "timeout": 1000, "maxJobsToActivate": 10**12, "requestTimeout": -1}, 400),
        ("POST", "/jobs/1/completion", {"result": []}, 400),
        ("POST", "/jobs/1/completion", {"result": {"type": "userTask", "corrections": {"priority": "x"}}}, 400),
        ("POST", "/jobs/1/completion", {"result": {"type": "other"}}, 400),
        ("POST", "/jobs/1/completion", {"result": {"type": "adHocSubProcess", "activateElements": [1]}}, 400),
        ("POST", "/jobs/1/completion", {}, 404),
        ("POST", "/jobs/1/failure", {"retries": 1}, 404),
        ("POST", "/jobs/1/error", {}, 400),
        ("POST", "/jobs/1/error", {"errorCode": "X"}, 404),
        ("PATCH", "/jobs/1", {}, 400),
        ("PATCH", "/jobs/1", {"changeset": {"priority": 1}}, 400),
        ("PATCH", "/jobs/1", {"changeset": {"retries": 1}}, 404),
    ],
)
async def test_what_is_wrong_is_refused(engine: EmbeddedEngine, method: str, path: str, body: Any, status: int) -> None:
    async with httpx.AsyncClient(base_url=engine.rest_address + "/v2") as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == status, answer.text


async def test_jobs_are_not_lost_to_a_caller_that_went_away(engine: EmbeddedEngine, client: Client) -> None:
    body = {"type": "work", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 30_000}
    async with httpx.AsyncClient(base_url=engine.rest_address + "/v2") as http:
        waiting = asyncio.create_task(http.post("/jobs/activation", json=body))
        await eventually(lambda: "work" in engine.dispatch.served_types())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
    await client.start("one-task", {"number": 1})
    found = await client.activate_jobs(
        "work", worker="other", timeout=timedelta(minutes=1), max_jobs=1, request_timeout=timedelta(seconds=10)
    )
    assert len(found) == 1


async def test_rest_is_taken_where_grpc_is_closed(engine: EmbeddedEngine, client: Client) -> None:
    assert await client.job_gateway() is client
    assert await client.job_gateway("grpc") is client
    assert isinstance(await client.job_gateway("rest"), RestJobs)
    async with Client(settings=Settings(grpc_address="127.0.0.1:1", rest_address=engine.rest_address)) as closed:
        assert isinstance(await closed.job_gateway(), RestJobs)
    async with Client(settings=Settings(grpc_address="127.0.0.1:1", rest_address="http://127.0.0.1:1")) as nowhere:
        assert await nowhere.job_gateway() is nowhere


async def test_streams_and_polls_on_the_real_engine(client: Client) -> None:
    running = most = 0

    @worker("work", max_running=3)
    async def work(number: int) -> dict[str, int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return {"twice": number * 2}

    for number in range(20):
        await client.start("one-task", {"number": number})
    async with WorkerRunner(client, [Router(work)], polling=POLLING) as runner:
        await eventually(lambda: runner.stats["work"].completed == 20 and runner.stats["work"].streams == 1, timeout=20)
        for number in range(40):
            await client.start("one-task", {"number": number})
        await eventually(lambda: runner.stats["work"].completed == 60, timeout=20)
        assert runner.stats["work"].pushed > 0
        assert runner.problems() == {}
    assert most == 3
