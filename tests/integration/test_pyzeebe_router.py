"""An existing pyzeebe project, run by pyzeebe's own worker and by ours on Camunda's engine: the same results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pyzeebe import Job, JobController, ZeebeTaskRouter, ZeebeWorker, create_insecure_channel

from camunda_workers import Client, ConfigurationError, Router, WorkerRunner
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from camunda_workers.worker.poller import Polling
from tests.data.pyzeebe_project import tasks
from tests.data.pyzeebe_project.decorators import JOURNAL
from tests.support.diagrams import process, sequence, service_task
from tests.support.job_gateway import JobEngine, eventually

VARIABLES: dict[str, Any] = {"number": "P1", "email": "ada@example.org", "amount": 21.5, "claim": {"id": 7}}
TASKS = [task.type for router in (tasks.router, tasks.plain) for task in router.tasks]


def diagram(job_type: str) -> bytes:
    """One task with an error boundary that leads to an end of its own."""
    boundary = (
        '<bpmn:boundaryEvent id="caught" attachedToRef="task"><bpmn:extensionElements><zeebe:ioMapping>'
        '<zeebe:output source="=&quot;yes&quot;" target="was_caught"/></zeebe:ioMapping></bpmn:extensionElements>'
        '<bpmn:errorEventDefinition errorRef="catch"/></bpmn:boundaryEvent>'
        '<bpmn:endEvent id="caught-end"/><bpmn:sequenceFlow id="to-end" sourceRef="caught" targetRef="caught-end"/>'
    )
    error = '<bpmn:error id="catch" errorCode="NO_COVER"/>'
    return process(job_type, sequence(service_task("task", job_type, headers={"channel": "post"})) + boundary, error)


@asynccontextmanager
async def by_pyzeebe(engine: EmbeddedEngine, client: Client) -> AsyncGenerator[None]:
    worker = ZeebeWorker(create_insecure_channel(grpc_address=engine.grpc_address))
    worker.include_router(tasks.router, tasks.plain)
    working = asyncio.create_task(worker.work())
    yield
    working.cancel()
    await asyncio.wait([working])


@asynccontextmanager
async def by_ours(engine: EmbeddedEngine, client: Client) -> AsyncGenerator[None]:
    router = Router()
    router.include_pyzeebe_router(tasks.router)
    router.include_pyzeebe_router(tasks.plain)
    async with WorkerRunner(client, [router], polling=Polling(request_timeout=timedelta(seconds=5))):
        yield


@asynccontextmanager
async def by_ours_from_their_worker(engine: EmbeddedEngine, client: Client) -> AsyncGenerator[None]:
    worker = ZeebeWorker(create_insecure_channel(grpc_address=engine.grpc_address))
    worker.include_router(tasks.router, tasks.plain)
    router = Router()
    router.include_pyzeebe_router(worker)
    async with WorkerRunner(client, [router], polling=Polling(request_timeout=timedelta(seconds=5))):
        yield


async def told(run: Callable[[EmbeddedEngine, Client], AbstractAsyncContextManager[None]]) -> dict[str, Any]:
    """Run every task once and return, by job type, what the engine recorded of it; and the project's journal."""
    JOURNAL.clear()
    async with EmbeddedEngine() as engine, Client(settings=Settings(grpc_address=engine.grpc_address)) as client:
        await client.deploy(*(Resource(f"{name}.bpmn", diagram(name)) for name in TASKS))
        async with run(engine, client):
            for name in TASKS:
                await client.start(name, VARIABLES)
            async with asyncio.timeout(30):
                while len(story := await _story(engine)) < len(TASKS):
                    await asyncio.sleep(0.02)
            return {"story": story, "journal": sorted(JOURNAL)}


async def _story(engine: EmbeddedEngine) -> dict[str, Any]:
    """Instances that ended or hang in an incident, with their variables and the incident's text."""
    records = [json.loads(line) for line in await engine.records.read(-1, 100_000)]
    values = [(record["valueType"], record["intent"], record["value"]) for record in records if record["recordType"] == "EVENT"]
    variables: dict[str, dict[str, Any]] = {}
    for kind, _, value in values:
        if kind == "VARIABLE":
            variables.setdefault(value["bpmnProcessId"], {})[value["name"]] = json.loads(value["value"])
    story: dict[str, Any] = {}
    for kind, intent, value in values:
        name = value.get("bpmnProcessId")
        if kind == "INCIDENT" and intent == "CREATED":
            story[name] = (value["errorType"], value["errorMessage"].replace(str(value["jobKey"]), "KEY"), variables[name])
        if kind == "PROCESS_INSTANCE" and intent == "ELEMENT_COMPLETED" and value["bpmnElementType"] == "PROCESS":
            story[name] = ("completed", "", variables[name])
    return story


@pytest.mark.engine
async def test_a_project_gives_the_same_results_on_both_workers() -> None:
    theirs = await told(by_pyzeebe)
    ours = await told(by_ours)
    for name in TASKS:
        assert ours["story"][name] == theirs["story"][name]
    assert ours["journal"] == theirs["journal"]
    assert await told(by_ours_from_their_worker) == ours
    story = ours["story"]
    assert story["register"][2]["claim_number"] == "CLM-000007"
    assert story["no-cover"][2] == VARIABLES | {"searched": "P1", "was_caught": "yes"}
    assert story["declined"][2] == VARIABLES | {"was_caught": "yes"}
    assert story["flaky"][:2] == ("JOB_NO_RETRIES", "flaky failed: policy system away for P1")
    assert story["partner"][2]["partner"] == "unknown (P1)"
    assert story["uncaught"][0] == "UNHANDLED_ERROR_EVENT"


# --- what pyzeebe leaves hanging ends here, and how settings arrive -----------------------------------------------------------------------


async def run_one(router: ZeebeTaskRouter, variables: dict[str, Any] | str | None = None) -> JobEngine:
    engine = JobEngine()
    ours = Router()
    ours.include_pyzeebe_router(router)
    engine.add(router.tasks[0].type, variables)
    async with WorkerRunner(engine, [ours]):
        await engine.all_ended()
    return engine


async def test_settings_arrive_at_the_engine() -> None:
    engine = await run_one(_only("score", tasks.router), {"amount": 1})
    assert (engine.asked[0].max_jobs, engine.asked[0].fetch_variables) == (2, ("amount", "factor"))
    ours = Router()
    ours.include_pyzeebe_router(tasks.router)
    by_type = {one.definition.job_type: one for one in ours}
    score = by_type["score"]
    assert (score.definition.timeout, score.definition.max_running) == (timedelta(seconds=5), 4)
    assert by_type["audit"].definition.fetch_variables == ()
    assert score.definition.name == "tests.data.pyzeebe_project.tasks.score"
    assert await by_type["register"]({"id": 1}) == "CLM-000001"


async def test_a_result_that_cannot_be_sent_is_an_incident_and_not_a_loop() -> None:
    router = ZeebeTaskRouter()

    @router.task("bad")
    async def bad(what: str) -> Any:
        return {"set": {"bad": object()}, "list": [1], "nan": {"n": float("nan")}}[what]

    for what, said in (("set", "variables is object"), ("list", "not a set of named variables"), ("nan", "variables.n is nan")):
        (ended,) = (await run_one(router, {"what": what})).ended
        assert (ended.call, ended.retries) == ("fail", 0)
        assert said in ended.message


async def test_variables_that_cannot_be_read_are_an_incident() -> None:
    (ended,) = (await run_one(_only("audit", tasks.router), '{"a": ')).ended
    assert (ended.call, ended.retries) == ("fail", 0)
    assert "not valid JSON" in ended.message


async def test_a_handler_that_sets_no_status_leaves_the_job_to_its_timeout_and_uses_no_retry() -> None:
    async def says_nothing(exception: Exception, job: Job, job_controller: JobController) -> None:
        pass

    router = ZeebeTaskRouter(exception_handler=says_nothing)

    @router.task("silent", timeout_ms=7_000)
    async def silent() -> None:
        raise ValueError

    (ended,) = (await run_one(router)).ended
    assert (ended.call, ended.retries) == ("fail", 3)
    assert timedelta(seconds=6) < ended.back_off <= timedelta(seconds=7)


async def test_of_two_words_about_a_job_the_first_holds() -> None:
    async def twice(exception: Exception, job: Job, job_controller: JobController) -> None:
        await job_controller.set_failure_status("the first word", retry_back_off_ms=1500, variables={"a": 1})
        await job_controller.set_error_status("the second word", error_code="NO_COVER")

    router = ZeebeTaskRouter()

    @router.task("two-words", exception_handler=twice)
    async def two_words() -> None:
        raise ValueError

    (ended,) = (await run_one(router)).ended
    assert (ended.call, ended.retries, ended.message) == ("fail", 2, "the first word")
    assert (ended.back_off, ended.variables) == (timedelta(seconds=1.5), {"a": 1})


async def test_a_handler_that_fails_itself_uses_a_retry() -> None:
    async def falls_over(exception: Exception, job: Job, job_controller: JobController) -> None:
        raise RuntimeError("the handler itself") from exception

    router = ZeebeTaskRouter(exception_handler=falls_over)

    @router.task("broken")
    async def broken() -> None:
        raise ValueError

    (ended,) = (await run_one(router)).ended
    assert (ended.call, ended.retries, ended.message) == ("fail", 2, "RuntimeError: the handler itself")


async def test_plain_functions_run_at_once_up_to_their_cap() -> None:
    import threading

    barrier = threading.Barrier(16, timeout=10)
    router = ZeebeTaskRouter()

    @router.task("wait", max_running_jobs=16)
    def wait() -> dict[str, bool]:
        # pyzeebe runs plain functions in the loop's default executor: 6 at once on two cores.
        barrier.wait()
        return {"met": True}

    engine = JobEngine()
    ours = Router()
    ours.include_pyzeebe_router(router)
    for _ in range(16):
        engine.add("wait")
    async with WorkerRunner(engine, [ours]):
        await engine.all_ended(16)
    assert {ended.call for ended in engine.ended} == {"complete"}
    await eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("pyzeebe-")])


def test_what_is_no_pyzeebe_router_is_named() -> None:
    wrong: Any = Router()
    with pytest.raises(ConfigurationError, match="not a pyzeebe ZeebeTaskRouter"):
        Router().include_pyzeebe_router(wrong)
    twice = Router()
    twice.include_pyzeebe_router(tasks.plain)
    with pytest.raises(ConfigurationError, match="two workers for job type 'declined'"):
        twice.include_pyzeebe_router(_only("declined", tasks.plain))


def _only(job_type: str, router: ZeebeTaskRouter) -> ZeebeTaskRouter:
    one = ZeebeTaskRouter()
    one.tasks.append(router.get_task(job_type))
    return one
