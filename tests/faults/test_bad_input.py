"""Input that no engine should send and results that no function should return (rows 15, 16; the bad-input list of the runtime).

Everything comes over real gRPC. Whatever happens to one job, the worker goes on with the next, and the failure says what was wrong.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bench.fake_gateway import FakeGateway, served
from camunda_workers import BpmnError, Client, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.faults.conftest import Cases
from tests.support.job_gateway import eventually
from tests.support.scripted_engine import ScriptedGateway, Wait, scripted_gateway

POLLING = Polling(request_timeout=timedelta(seconds=2), streaming=False)
DEEP = 10_000
HUGE = 5 * 1024 * 1024


class Surprise(BpmnError):
    code = "NOBODY_KNOWS_THIS"


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


async def first_then_good(gateway: ScriptedGateway, bad: str, **options: Any) -> pb.FailJobRequest:
    """Run a job with these variables, then a good one; how the first failed."""

    @worker("work", **options)
    async def work(number: float, claim: Any = None) -> dict[str, float]:
        return {"number": number}

    return await outcome_of(gateway, work, bad)


async def outcome_of(gateway: ScriptedGateway, work: Any, variables: str) -> pb.FailJobRequest:
    def job(key: int, text: str) -> tuple[pb.ActivateJobsResponse]:
        made = pb.ActivatedJob(key=key, type="work", retries=3, variables=text, customHeaders="{}", elementId="the-task")
        return (pb.ActivateJobsResponse(jobs=[made]),)

    gateway.script("ActivateJobs", job(1, variables), job(2, '{"number": 2}'), Wait())
    async with Client(settings=Settings(grpc_address=gateway.address)) as client:
        async with WorkerRunner(client, [Router(work)], polling=POLLING, drain_timeout=timedelta(milliseconds=100)):
            await eventually(lambda: [sent.jobKey for sent in gateway.sent("CompleteJob")] == [2], timeout=20)
            await eventually(lambda: gateway.sent("FailJob"), timeout=20)
    (failed,) = gateway.sent("FailJob")
    assert failed.jobKey == 1
    assert len(failed.errorMessage) < 12_000
    return failed


VARIABLES = {
    "malformed": ('{"number": ', "not a valid JSON object"),
    "not an object": ("[1, 2]", "object"),
    "NaN": ('{"number": NaN}', "JSON"),
    "infinity": ('{"number": -Infinity}', "JSON"),
    "a wrong type": ('{"number": {"a": 1}}', "variable 'number'"),
    "missing": ("{}", "variable 'number'"),
    "10,000 levels": ('{"number": 1, "claim": ' + "[" * DEEP + "]" * DEEP + "}", "recursion"),
    "5 MB of the wrong type": ('{"number": "' + "x" * HUGE + '"}', "variable 'number'"),
    "half a character": ('{"number": 1, "claim": "\\ud800"}', "JSON"),
    "half an escape": ('{"number": 1, "claim": "\\u12"}', "JSON"),
}


@pytest.mark.parametrize("name", VARIABLES)
async def test_15_variables_that_cannot_be_read_fail_their_job_with_a_reason(gateway: ScriptedGateway, name: str) -> None:
    text, said = VARIABLES[name]
    failed = await first_then_good(gateway, text)
    assert failed.retries == 0
    assert said in failed.errorMessage
    assert "the-task" in failed.errorMessage
    assert "work" in failed.errorMessage


async def test_15_five_megabytes_that_fit_are_read(gateway: ScriptedGateway) -> None:
    @worker("work")
    async def work(number: float, claim: str = "") -> dict[str, int]:
        if claim:
            raise ValueError(f"{len(claim)} characters have come")
        return {"length": 0}

    failed = await outcome_of(gateway, work, '{"number": 1, "claim": "' + "x" * HUGE + '"}')
    assert f"{HUGE} characters have come" in failed.errorMessage


async def test_15_bytes_that_are_no_text_at_all_leave_the_poller_alive() -> None:
    """Variables that are not UTF-8 break the whole message: no job can be read from it, so none can be failed; the next one must come."""
    fake = FakeGateway()
    done: list[int] = []

    @worker("work")
    async def work(number: int) -> None:
        done.append(number)

    fake.add("work", 1, '{"number": "good"}')
    fake.types["work"].template = fake.types["work"].template.replace(b"good", b"\xff\xfe\xfd\xfc")
    async with served(fake) as address, Client(settings=Settings(grpc_address=address)) as client:
        async with WorkerRunner(client, [Router(work)], polling=POLLING) as runner:
            await eventually(lambda: runner.stats["work"].failed_polls >= 1 or runner.stats["work"].failed >= 1)
            fake.add("work", 3, '{"number": 5}')
            await eventually(lambda: done == [5, 5, 5], timeout=15)


def unreadable() -> Any:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("its text cannot be had")

    return Unreadable()


RESULTS: dict[str, tuple[Any, str]] = {
    "an object": ({"a": {"b": [object()]}}, "variables.a.b[0] is object"),
    "NaN": ({"a": [float("nan")]}, "variables.a[0] is nan"),
    "itself": (circular(), "contains itself"),
    "10,000 levels": ({"a": nested(DEEP)}, "nested deeper"),
    "5 MB": ({"a": "x" * HUGE}, "bytes of JSON"),
    "bytes": ({"a": b"\xff\xfe"}, "binary"),
    "half a character": ({"a": "\ud800"}, "surrogate"),
    "a key that is no text": ({"a": {1: 2}}, "names in variables must be text"),
    "a number of 70 bits": ({"a": 2**70}, "64 bits"),
    "a class": (dict, "variables is type"),
    "a generator": ({"a": (n for n in range(3))}, "variables.a is generator"),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_16_a_result_that_cannot_be_sent_is_an_incident_that_names_the_place(gateway: ScriptedGateway, name: str) -> None:
    value, said = RESULTS[name]

    @worker("work")
    async def work(number: float) -> Any:
        return value if number == 1 else {"number": number}

    failed = await outcome_of(gateway, work, '{"number": 1}')
    assert failed.retries == 0
    assert said in failed.errorMessage


async def leaks() -> None:
    await asyncio.sleep(3600)


LEAKED: set[asyncio.Task[None]] = set()


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(3600)


async def leaks_tasks_and_fails() -> None:
    LEAKED.update(asyncio.create_task(leaks()) for _ in range(10))
    raise ValueError("after leaking ten tasks")


async def exits() -> None:
    sys.exit(3)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def raises_base() -> None:
    raise BaseException("not even an Exception")


async def raises_group() -> None:
    raise BaseExceptionGroup("several", [ValueError("one"), GeneratorExit("two")])


async def raises_unreadable() -> None:
    raise unreadable()


async def recurses() -> None:
    await recurses()


async def undeclared() -> None:
    raise Surprise("undeclared")


BEHAVIOUR = {
    "cancels itself": (cancels_itself, "cancelled itself"),
    "leaks tasks": (leaks_tasks_and_fails, "after leaking ten tasks"),
    "sys.exit": (exits, "SystemExit"),
    "KeyboardInterrupt": (interrupts, "KeyboardInterrupt"),
    "BaseException": (raises_base, "not even an Exception"),
    "a group of errors": (raises_group, "one"),
    "an error without text": (raises_unreadable, "Unreadable"),
    "endless recursion": (recurses, "RecursionError"),
    "an unknown error code": (undeclared, "NOBODY_KNOWS_THIS"),
}


@pytest.mark.parametrize("name", BEHAVIOUR)
async def test_16_whatever_a_function_does_its_job_fails_with_a_reason_and_others_go_on(gateway: ScriptedGateway, name: str) -> None:
    behave, said = BEHAVIOUR[name]

    @worker("work")
    async def work(number: float) -> None:
        if number == 1:
            await behave()

    failed = await outcome_of(gateway, work, '{"number": 1}')
    assert said in failed.errorMessage
    for task in LEAKED:
        task.cancel()
    LEAKED.clear()


@pytest.mark.parametrize("leave", [sys.exit, lambda: (_ for _ in ()).throw(BaseException("thread"))], ids=["exit", "BaseException"])
async def test_16_the_same_from_a_thread(gateway: ScriptedGateway, leave: Any) -> None:
    @worker("work")
    def work(number: float) -> None:
        if number == 1:
            next(iter(leave() or ()))

    assert "ends a program" in (await outcome_of(gateway, work, '{"number": 1}')).errorMessage


async def test_16_a_function_that_never_ends_is_failed_at_its_limit(gateway: ScriptedGateway) -> None:
    @worker("work", longest=timedelta(milliseconds=200))
    async def work(number: float) -> None:
        if number == 1:
            await asyncio.sleep(3600)

    failed = await outcome_of(gateway, work, '{"number": 1}')
    assert failed.retries == 2
    assert "limit" in failed.errorMessage


@pytest.mark.engine
async def test_16_on_the_real_engine_it_is_an_incident_and_no_hot_loop(cases: Cases) -> None:
    @worker("work")
    async def work(number: int, kind: str) -> Any:
        return {"object": {"a": object()}, "deep": nested(DEEP), "huge": {"a": "x" * HUGE}, "unknown": 1}[kind]

    async with WorkerRunner(cases.client, [Router(work)], polling=POLLING) as runner:
        for kind in ("object", "deep", "huge", "unknown"):
            await cases.start(kind=kind)
        await cases.start()
        await cases.settled()
        stats = runner.stats["work"]
        assert (stats.activated, stats.failed) == (5, 5)
    assert (await cases.counts())["incident"] == 5
    texts = [event["value"]["errorMessage"] for event in await cases.events() if event["valueType"] == "INCIDENT"]
    assert all("work" in text for text in texts)
    assert json.dumps(texts).count("variable 'kind'") == 1
