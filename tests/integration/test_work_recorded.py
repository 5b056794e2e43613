"""What workers and AI tasks do is in the event log beside what the engine says of it: real jobs on the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from camunda_workers import BpmnError, JobContext, Provided, RetryPolicy, Router, WorkerRunner, worker
from camunda_workers.ai import AiOutput, AiTask, Declined, HandOver, Policy, Prompt, Proposal, Question, Subject
from camunda_workers.app import Local, run_locally, work_recorded
from camunda_workers.client import Resource
from camunda_workers.events import EventLog, case_story
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.settings import Settings
from tests.support.diagrams import process, sequence, service_task

pytestmark = pytest.mark.engine

BOUNDARY = (
    '<bpmn:boundaryEvent id="not-covered" attachedToRef="check"><bpmn:errorEventDefinition errorRef="no-cover"/></bpmn:boundaryEvent>'
    '<bpmn:endEvent id="not-covered-end"/><bpmn:sequenceFlow id="to-end" sourceRef="not-covered" targetRef="not-covered-end"/>'
)
DIAGRAM = process(
    "claim",
    sequence(service_task("check", "check"), service_task("triage", "triage")) + BOUNDARY,
    '<bpmn:error id="no-cover" errorCode="NO_COVER"/>',
)


class NoCover(BpmnError):
    code = "NO_COVER"


class Choice(AiOutput):
    route: Literal["pay", "ask"]


class Facts(BaseModel):
    amount: int


class Rules:
    name = "rules"
    prices_known = True

    async def propose(self, question: Question[Choice]) -> Proposal[Choice] | Declined:
        amount = question.facts["amount"]
        sure = 0.9 if isinstance(amount, int) and amount < 100 else 0.2
        said = f"the amount is {amount}, says Ada"
        return Proposal(Choice(confidence=sure, rationale=said, cited_fields=("amount",), route="pay"))


class Triage(AiTask[Choice]):
    """By this type the worker asks for it."""


def safe(reason: HandOver, proposal: Choice | None) -> Choice:
    return Choice(confidence=0, rationale=reason.text, cited_fields=("amount",), route="ask")


def routers() -> list[Router]:
    @worker("check", errors=[NoCover], retries=RetryPolicy(back_off=timedelta(0)))
    async def check(amount: int, job: JobContext) -> None:
        if amount == 0:
            raise NoCover("Grace has no cover")
        if amount == 7 and job.retries == 3:
            raise OSError("Ada's system is away")

    @worker("triage", result="choice")
    async def triage(amount: int, task: Annotated[Triage, Provided], job: JobContext) -> Choice:
        subject = Subject(business_id=job.business_id, process_instance_key=job.process_instance_key, job_key=job.key)
        return (await task.decide(Facts(amount=amount), subject)).output

    return [Router(check, triage)]


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    async with run_locally(Settings(), tmp_path / "events.db") as running:
        await running.client.deploy(Resource("claim.bpmn", DIAGRAM))
        yield running


async def facts(log: EventLog, kind: str) -> list[dict[str, object]]:
    return [dict(record.value) async for record in log.records(partition=0, value_types={kind})]


async def test_runs_and_decisions_are_facts(local: Local) -> None:
    task = Triage(
        "triage",
        output=Choice,
        prompt=Prompt.of("Decide."),
        policy=Policy(min_confidence=0.5),
        strategies=[Rules()],
        safe_output=safe,
    )
    log, client, engine = local.log, local.client, local.engine
    await engine.advance(timedelta(days=3))
    async with (
        work_recorded(log, engine.clock) as recorded,
        WorkerRunner(client, routers(), resources={Triage: task}, middleware=[recorded]),
    ):
        for number, amount in enumerate((7, 0, 500)):
            await client.start("claim", {"amount": amount}, business_id=f"CLM-{number}")

        async with asyncio.timeout(30):
            while len(await client.search_process_instances({"state": "COMPLETED"})) < 3:
                await asyncio.sleep(0.05)

    runs = await facts(log, "WORKER_RUN")
    told = sorted((str(one["businessId"]), str(one["jobType"]), str(one["outcome"])) for one in runs)
    assert told == [
        ("CLM-0", "check", "completed"),
        ("CLM-0", "check", "failed"),
        ("CLM-0", "triage", "completed"),
        ("CLM-1", "check", "bpmn_error"),
        ("CLM-2", "check", "completed"),
        ("CLM-2", "triage", "completed"),
    ]
    failed = next(one for one in runs if one["outcome"] == "failed")
    assert (failed["triesLeft"], failed["tries"], failed["elementId"], failed["bpmnProcessId"]) == (2, 3, "check", "claim")
    assert "Ada's system is away" in str(failed["content"])
    refused = next(one for one in runs if one["outcome"] == "bpmn_error")
    assert (refused["errorCode"], refused["content"]) == ("NO_COVER", {"message": "Grace has no cover"})

    decisions = {str(one["businessId"]): one for one in await facts(log, "AI_DECISION")}
    assert {name: (one["decision"], one["confidence"], one["elementId"]) for name, one in decisions.items()} == {
        "CLM-0": ("accepted", 0.9, "triage"),
        "CLM-2": ("handed_over", 0.2, "triage"),
    }
    assert decisions["CLM-2"]["handOverCode"] == "low_confidence"
    assert len(str(decisions["CLM-0"]["inputs_hash"])) == 64
    assert "says Ada" in str(decisions["CLM-0"]["content"])

    # By the engine's time, which is three days ahead here, and so in the right place of the story.
    steps = [(step.element_id, step.what) for step in (await case_story(log, "CLM-2", now=engine.now())).steps]
    assert steps.index(("triage", "decided: handed over")) < next(at for at, step in enumerate(steps) if step == ("triage", "completed"))
    assert not any(what.startswith("decided") for _, what in [(s.element_id, s.what) for s in (await case_story(log, "CLM-0")).steps])

    await erase(log, await plan_erasure(log, "CLM-0"))
    assert "the amount is 7, says Ada" not in "".join([record.text async for record in log.records(partition=0)])
    assert (await verify_log(log)).good


async def test_without_a_log_a_decision_is_a_log_line() -> None:
    task = Triage(
        "triage", output=Choice, prompt=Prompt.of("Decide."), policy=Policy(min_confidence=0.5), strategies=[Rules()], safe_output=safe
    )
    with capture_logs() as lines:
        await task.decide(Facts(amount=1))
    assert [line["action"] for line in lines if line.get("action")] == ["ai_decision"]
