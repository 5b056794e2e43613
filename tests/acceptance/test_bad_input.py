"""Bad input on Camunda's real engine: each a clear error that names file, element and fix; nothing lost, the worker alive."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from camunda_workers import Router, WorkerRunner, worker
from camunda_workers.cli.case import app
from camunda_workers.client import Client, Incident, Resource
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import BadResource, ConfigurationError, InvalidArgument, NotFound
from camunda_workers.events import DEFAULT_FILE, EventLog
from camunda_workers.worker.poller import Polling
from tests.support.diagrams import ONE_TASK, process, sequence, service_task
from tests.support.hostile_xml import KINDS, bait, with_doctype
from tests.support.resources import form, table

pytestmark = pytest.mark.engine

POLLING = Polling(request_timeout=timedelta(seconds=5))


class Quote(BaseModel):
    price: int


@worker("work", result="quote")
async def work(amount: int) -> Any:
    return {"price": object()} if amount == 0 else Quote(price=amount * 2)


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(engine.grpc_address, engine.rest_address) as opened:
        yield opened


@asynccontextmanager
async def working(client: Client) -> AsyncGenerator[WorkerRunner]:
    """A worker beside the bad input; at the end it must still do a good job."""
    await client.deploy(Resource("one-task.bpmn", ONE_TASK))
    async with WorkerRunner(client, [Router(work)], polling=POLLING) as runner:
        yield runner
        done = await client.start_with_result("one-task", {"amount": 21}, timeout=timedelta(seconds=20))
        assert done.variables["quote"] == {"price": 42}


async def only_incident(engine: EmbeddedEngine, client: Client) -> Incident:
    await engine.settle()
    (incident,) = await client.search_incidents({"state": "ACTIVE"})
    return incident


async def state_of(client: Client, process_instance_key: int) -> str:
    (found,) = await client.search_process_instances({"process_instance_key": process_instance_key})
    return found.state


NO_JOB_TYPE = process("bad", sequence('<bpmn:serviceTask id="check-policy"/>'))
BAD_FEEL = process("bad", sequence(service_task("check-policy", "= 1 +")))
DANGLING = process("bad", sequence(service_task("check-policy", "x"))).replace(b'targetRef="ended"', b'targetRef="nowhere"')
UNKNOWN = process("bad", '<bpmn:startEvent id="started"/><bpmn:wish id="make-it-work"/>')
TWINS = process("bad", sequence(service_task("check-policy", "x")) + service_task("check-policy", "x"))
CUT_OFF = NO_JOB_TYPE[:-40]


@pytest.mark.parametrize(
    ("diagram", "element", "words", "fix"),
    [
        (NO_JOB_TYPE, "check-policy", "Must have exactly one 'zeebe:taskDefinition'", "set the task's job type"),
        (BAD_FEEL, "check-policy", "failed to parse expression ' 1 +'", "correct the FEEL expression"),
        (DANGLING, "flow-1", "'nowhere'", "remove what refers to it"),
        (UNKNOWN, "make-it-work", "wish", "remove it, or open the file in Camunda Modeler"),
        (TWINS, "check-policy", "multiple occurrences of ID value 'check-policy'", "give one of them another id"),
        (CUT_OFF, None, "not well-formed XML", "open it in Camunda Modeler and save it again"),
    ],
    ids=["no-job-type", "broken-feel", "dangling-flow", "unknown-element", "same-id-twice", "cut-off"],
)
async def test_a_diagram_that_is_refused(client: Client, tmp_path: Path, diagram: bytes, element: str | None, words: str, fix: str) -> None:
    (tmp_path / "claims.bpmn").write_bytes(diagram)
    async with working(client):
        with pytest.raises(BadResource) as refused:
            await client.deploy(tmp_path / "claims.bpmn")
    assert (refused.value.resource, refused.value.element) == ("claims.bpmn", element)
    assert str(refused.value).startswith(f"claims.bpmn, element '{element}': " if element else "claims.bpmn: ")
    assert words in str(refused.value)
    assert fix in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "content"), [("claims.bpmn", ONE_TASK), ("risk.dmn", table("risk"))], ids=["bpmn", "dmn"])
async def test_a_doctype_is_refused_at_once_and_nothing_is_read(
    engine: EmbeddedEngine, client: Client, name: str, content: bytes, kind: str
) -> None:
    with bait() as (address, heard):
        hostile = with_doctype(content, kind, address)
        async with working(client):
            begun = time.perf_counter()
            with pytest.raises(BadResource, match="has a DOCTYPE") as refused:
                await client.deploy(Resource(name, hostile))
            assert time.perf_counter() - begun < 1
            assert refused.value.resource == name
            assert "remove the <!DOCTYPE" in str(refused.value)

            # Who goes around our client meets the engine, which refuses it as well, by both faces of its gateway.
            begun = time.perf_counter()
            async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as by_grpc:
                    await GatewayStub(channel).DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name=name, content=hostile)]))
            async with httpx.AsyncClient(base_url=engine.rest_address) as rest:
                by_rest = await rest.post("/v2/deployments", files=[("resources", (name, hostile))])
            assert time.perf_counter() - begun < 1
        assert by_grpc.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert name in (by_grpc.value.details() or "")
        assert (by_rest.status_code, name in by_rest.json()["detail"]) == (400, True)
        assert heard == []


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (table("risk", expression="amount +"), "FEEL expression: failed to parse expression 'amount +'"),
        (table("risk", second="&gt; = 3 ("), "FEEL unary-tests: failed to parse expression '> = 3 ('"),
    ],
    ids=["input", "rule"],
)
async def test_a_decision_with_a_broken_expression(client: Client, decision: bytes, words: str) -> None:
    async with working(client):
        with pytest.raises(BadResource) as refused:
            await client.deploy(Resource("fraud-score.dmn", decision), Resource("good.dmn", table("good")))
        with pytest.raises(NotFound):
            await client.evaluate_decision("good", {"amount": 1})  # all of a deployment or nothing
    assert (refused.value.resource, refused.value.element) == ("fraud-score.dmn", "risk")
    assert words in str(refused.value)
    assert "Fix: correct the FEEL expression" in str(refused.value)


CALLS_RISK = process(
    "assess",
    sequence(
        '<bpmn:businessRuleTask id="score"><bpmn:extensionElements><zeebe:calledDecision decisionId="risk" resultVariable="band"/>'
        "</bpmn:extensionElements></bpmn:businessRuleTask>"
    ),
)


async def test_a_decision_that_fails_in_a_running_case_is_an_incident(engine: EmbeddedEngine, client: Client) -> None:
    overlapping = table("risk", second="&gt; 50", hit_policy="UNIQUE")
    await client.deploy(Resource("risk.dmn", overlapping), Resource("assess.bpmn", CALLS_RISK))
    async with working(client):
        case = (await client.start("assess", {"amount": 200})).process_instance_key
        incident = await only_incident(engine, client)
        assert (incident.error_type, incident.element_id) == ("DECISION_EVALUATION_ERROR", "score")
        assert "'risk'" in incident.error_message
        assert "UNIQUE" in incident.error_message
        await client.deploy(Resource("risk.dmn", table("risk")))
        await client.resolve_incident(incident.incident_key)
        await engine.settle()
        assert await state_of(client, case) == "COMPLETED"


ASKS = process(
    "ask",
    sequence(
        '<bpmn:userTask id="assess-claim"><bpmn:extensionElements><zeebe:userTask/><zeebe:formDefinition formId="claims.assess"/>'
        "</bpmn:extensionElements></bpmn:userTask>"
    ),
)


async def test_a_form_that_nobody_deployed_is_an_incident_until_it_is_there(engine: EmbeddedEngine, client: Client) -> None:
    await client.deploy(Resource("ask.bpmn", ASKS))
    async with working(client):
        case = (await client.start("ask")).process_instance_key
        incident = await only_incident(engine, client)
        assert (incident.error_type, incident.element_id) == ("FORM_NOT_FOUND", "assess-claim")
        assert "'claims.assess'" in incident.error_message
        assert "please deploy a form with the same id" in incident.error_message
        assert await client.search_user_tasks({"process_instance_key": case}) == []  # no task without its form
        await client.deploy(Resource("claims.assess.form", form("claims.assess")))
        await client.resolve_incident(incident.incident_key)
        await engine.settle()
        (task,) = await client.search_user_tasks({"process_instance_key": case})
        shown = await client.get_user_task_form(task.key)
        assert shown is not None
        assert shown.form_id == "claims.assess"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"amount": 0}, ["cannot be sent", "price is object", "use a pydantic model"]),
        ({"amount": "seven"}, ["variable 'amount'", "valid integer", "Fix: correct the value"]),
        ({}, ["variable 'amount'", "required", "Fix: set the variable before this task"]),
    ],
    ids=["result-that-is-no-json", "variable-of-the-wrong-type", "variable-that-is-missing"],
)
async def test_what_a_worker_cannot_do_is_one_incident_that_a_person_can_repair(
    engine: EmbeddedEngine, client: Client, variables: dict[str, Any], words: list[str]
) -> None:
    async with working(client) as runner:
        case = (await client.start("one-task", variables)).process_instance_key
        incident = await only_incident(engine, client)
        assert (incident.error_type, incident.element_id) == ("JOB_NO_RETRIES", "work")
        for word in ("job type 'work'", "element 'work'", f"{work.__module__}.work", *words):
            assert word in incident.error_message
        assert runner.stats["work"].activated == 1, "tried once, not again and again"
        assert incident.job_key is not None
        await client.set_variables(case, {"amount": 5})
        await client.update_job_retries(incident.job_key, 1)
        await client.resolve_incident(incident.incident_key)
        await engine.settle()
        assert await state_of(client, case) == "COMPLETED"
        (quote,) = await client.search_variables({"process_instance_key": case, "name": "quote"})
        assert quote.parsed == {"price": 10}


async def test_variables_that_cannot_be_sent_start_nothing(engine: EmbeddedEngine, client: Client) -> None:
    async with working(client):
        with pytest.raises(InvalidArgument, match=r"variables\.claim\.photo is binary.*store the document"):
            await client.start("one-task", {"claim": {"photo": b"\xff"}})
        await engine.settle()
        assert await client.search_process_instances() == []


async def test_two_workers_for_one_type_are_refused_before_anything_is_polled(engine: EmbeddedEngine, client: Client) -> None:
    @worker("work")
    async def also_work(amount: int) -> None: ...

    async with working(client):
        with pytest.raises(ConfigurationError) as in_one_router:
            Router(work, also_work)
        with pytest.raises(ConfigurationError) as in_two_routers:
            WorkerRunner(client, [Router(work), Router(also_work)])
    for refused in (in_one_router, in_two_routers):
        for words in ("job type 'work'", f"{work.__module__}.work", "also_work", "Fix: keep one"):
            assert words in str(refused.value)


def case_shown(folder: Path, *options: str) -> str:
    shown = CliRunner().invoke(app, ["show", "CLM-1", "--data-dir", str(folder), *options])
    assert shown.exit_code == 0, shown.output
    return " ".join(shown.output.split())


async def test_a_job_that_nobody_serves_is_kept_and_the_case_says_so(tmp_path: Path) -> None:
    misspelt = process("claim", sequence(service_task("check-policy", "chekc-policy")))
    async with (
        EventLog.open(tmp_path / DEFAULT_FILE) as log,
        EmbeddedEngine(rest_port=0, log=log) as engine,
        Client(engine.grpc_address, engine.rest_address) as client,
    ):
        await client.deploy(Resource("claim.bpmn", misspelt))
        async with working(client):
            await client.start("claim", business_id="CLM-1")
            await engine.advance(timedelta(days=40))  # nobody comes, and nothing is lost or given up
            await engine.read_model()
            said = await asyncio.to_thread(case_shown, tmp_path)
            assert "check-policy: a worker for 'chekc-policy', but none has ever asked for such a job" in said
            assert "start one, or correct the job type" in said
            (waits,) = json.loads(await asyncio.to_thread(case_shown, tmp_path, "--json"))["waitsFor"]
            assert (waits["elementId"], waits["who"]) == ("check-policy", "chekc-policy")
            assert await client.search_incidents() == []

            # Whoever comes late still gets it; while it works the case waits for it and no longer complains.
            (job,) = await client.activate_jobs("chekc-policy", worker="late", timeout=timedelta(minutes=1), max_jobs=1)
            await engine.read_model()
            assert "none has" not in await asyncio.to_thread(case_shown, tmp_path)
            await client.complete_job(job.key)
            await engine.settle()
            assert await state_of(client, job.processInstanceKey) == "COMPLETED"
