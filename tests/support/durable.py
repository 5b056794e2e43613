"""A durable engine in a process of its own that is killed under load, and what it acknowledged, written down outside of it."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.events import EventLog
from tests.support.diagrams import process, sequence, service_task, timer

JOB_TIMEOUT_MS = 3000

_MESSAGE = (
    '<bpmn:message id="go-message" name="go"><bpmn:extensionElements><zeebe:subscription correlationKey="=case"/>'
    "</bpmn:extensionElements></bpmn:message>"
)
_CATCH = '<bpmn:intermediateCatchEvent id="go"><bpmn:messageEventDefinition messageRef="go-message"/></bpmn:intermediateCatchEvent>'

CASE = process("case", sequence(service_task("work", "work"), _CATCH, timer("pause", "PT1S")), _MESSAGE)
"""A job, then a message, then a timer of a second."""

ONCE = ("started", "work", "go", "pause", "ended", "case")
"""The elements that each case passes exactly once."""


class DurableProcess:
    """``camunda-workers engine start --data`` in a process of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self._data = data
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it without waiting until it is ready."""
        command = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0"]
        out = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *command, "--data", str(self._data), *self._options, stdout=out, stderr=asyncio.subprocess.PIPE
        )

    async def until_ready(self) -> None:
        """Wait until it serves."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        assert line, f"the engine did not start: {await self.errors()}"
        self.ready = json.loads(line)

    async def said(self, words: str) -> str:
        """Wait for a line with these words on its error output, and return it."""
        assert self._process is not None
        assert self._process.stderr is not None
        async with asyncio.timeout(60):
            while line := (await self._process.stderr.readline()).decode():
                if words in line:
                    return line
        raise AssertionError(f"it ended without saying {words!r}")

    async def kill(self) -> str:
        """Kill it with no chance to tidy up; returns what it wrote to its error output and nobody read."""
        assert self._process is not None
        self._process.kill()
        return (await self._process.communicate())[1].decode()

    async def stop(self) -> None:
        """End it as a person would; it has to end well."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await self._process.communicate()
        assert self._process.returncode == 0, errors.decode()

    async def errors(self) -> str:
        """Wait for its end and return what it wrote to its error output."""
        assert self._process is not None
        async with asyncio.timeout(60):
            _, errors = await self._process.communicate()
        return errors.decode()

    async def end(self) -> None:
        """Let nothing be left of it."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()


@asynccontextmanager
async def gateway(address: str) -> AsyncGenerator[GatewayStub]:
    """A bare stub: it repeats nothing, so that what was acknowledged and what not is exact."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield GatewayStub(channel)


@dataclass
class Acknowledged:
    """What the engine has said yes to, and what it may have done without saying so.

    Attributes:
        tried: how many cases were asked for, acknowledged or not.
        cases: process instance keys by the case's number.
        jobs: case numbers by the key of the job whose completion was acknowledged.
        messages: numbers of cases whose message was acknowledged.
    """

    tried: int = 0
    cases: dict[int, int] = field(default_factory=dict[int, int])
    jobs: dict[int, int] = field(default_factory=dict[int, int])
    messages: set[int] = field(default_factory=set[int])

    def __str__(self) -> str:
        return f"{self.tried} starts tried, {len(self.cases)} acknowledged, {len(self.jobs)} completions, {len(self.messages)} messages"


class Load:
    """Starts cases, completes their jobs (fetched and streamed) and sends their messages, all at once, until it is cancelled."""

    def __init__(self, stub: GatewayStub, ledger: Acknowledged, chance: random.Random) -> None:
        self._stub = stub
        self._ledger = ledger
        self._chance = chance

    async def run(self) -> None:
        """Put the engine under load; ends when nothing answers any more."""
        streams: list[Callable[[], Awaitable[None]]] = [self._stream] if self._chance.random() < 0.5 else []
        kinds = [*[self._start] * 8, *[self._send] * 4, self._fetch, self._fetch, *streams]
        await asyncio.gather(*(self._until_gone(kind) for kind in kinds))

    async def _until_gone(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except grpc.aio.AioRpcError as error:
                if error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND):
                    continue  # busy; or a job that timed out meanwhile
                return

    async def _start(self) -> None:
        self._ledger.tried += 1
        number = self._ledger.tried
        variables = json.dumps({"number": number, "case": f"case-{number}"})
        answer = await self._stub.CreateProcessInstance(
            pb.CreateProcessInstanceRequest(bpmnProcessId="case", version=-1, variables=variables)
        )
        self._ledger.cases[number] = answer.processInstanceKey

    async def _send(self) -> None:
        open_cases = [number for number in self._ledger.cases if number not in self._ledger.messages]
        if not open_cases:
            await asyncio.sleep(0.01)
            return
        await publish(self._stub, self._ledger, self._chance.choice(open_cases))

    async def _fetch(self) -> None:
        request = pb.ActivateJobsRequest(type="work", worker="fetching", timeout=JOB_TIMEOUT_MS, maxJobsToActivate=10, requestTimeout=500)
        async for answer in self._stub.ActivateJobs(request):
            await asyncio.gather(*(self._complete(job) for job in answer.jobs))

    async def _stream(self) -> None:
        request = pb.StreamActivatedJobsRequest(type="work", worker="streaming", timeout=JOB_TIMEOUT_MS)
        async for job in self._stub.StreamActivatedJobs(request):
            await self._complete(job)

    async def _complete(self, job: Any) -> None:
        number = json.loads(job.variables)["number"]
        assert self._ledger.cases.get(number, job.processInstanceKey) == job.processInstanceKey, "a job of another case"
        with suppress(grpc.aio.AioRpcError):
            await self._stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables=json.dumps({"done": number})))
            self._ledger.jobs[job.key] = number


async def publish(stub: GatewayStub, ledger: Acknowledged, number: int) -> None:
    """Send a case's message under an id of its own; that the engine already has it is as good as a yes."""
    request = pb.PublishMessageRequest(name="go", correlationKey=f"case-{number}", timeToLive=3_600_000, messageId=f"go-{number}")
    try:
        await stub.PublishMessage(request)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
    ledger.messages.add(number)


async def broken_promises(events: Path, ledger: Acknowledged) -> list[str]:
    """Compare what was acknowledged with what the engine's event log says happened; nothing is as it should be."""
    broken: list[str] = []
    instances: dict[int, list[int]] = defaultdict(list)
    passed: Counter[tuple[int, str]] = Counter()
    jobs: dict[int, list[str]] = defaultdict(list)
    job_of: dict[int, int] = {}
    messages: Counter[str] = Counter()
    triggered: Counter[int] = Counter()
    last = 0
    async with EventLog.open(events) as log:
        async for record in log.records():
            if record.position != last + 1:
                broken.append(f"position {last} is followed by {record.position}")
            last = record.position
            if record.record_type != "EVENT":
                continue
            value = record.value
            match record.value_type, record.intent:
                case "PROCESS_INSTANCE_CREATION", "CREATED":
                    instances[int(value["variables"]["number"])].append(int(value["processInstanceKey"]))
                case "PROCESS_INSTANCE", "ELEMENT_COMPLETED":
                    passed[int(value["processInstanceKey"]), str(value["elementId"])] += 1
                case "JOB", intent:
                    jobs[record.key].append(intent)
                    job_of[record.key] = int(value["processInstanceKey"])
                case "JOB_BATCH", "ACTIVATED":
                    for key in value["jobKeys"]:
                        jobs[int(key)].append("ACTIVATED")
                case "MESSAGE", "PUBLISHED":
                    messages[str(value["messageId"])] += 1
                case "TIMER", "TRIGGERED":
                    triggered[int(value["processInstanceKey"])] += 1
                case _:
                    pass
    for number, key in ledger.cases.items():
        if instances.get(number) != [key]:
            broken.append(f"case {number} was acknowledged as {key}, the log has {instances.get(number)}")
    for number, keys in instances.items():
        for key in keys:
            again = [f"{element}: {passed[key, element]}" for element in ONCE if passed[key, element] != 1]
            if len(keys) > 1 or again or triggered[key] != 1:
                broken.append(f"case {number} ({keys}) passed {again}, its timer fired {triggered[key]} times")
    for key, number in ledger.jobs.items():
        if jobs[key].count("COMPLETED") != 1 or jobs[key][-1] != "COMPLETED" or instances.get(number) != [job_of.get(key)]:
            broken.append(f"the completion of job {key} of case {number} was acknowledged, the log has {jobs[key]} for {job_of.get(key)}")
    broken.extend(
        f"the message of case {number} is there {messages[f'go-{number}']} times"
        for number in ledger.messages
        if messages[f"go-{number}"] != 1
    )
    return broken
