"""A gateway that hands out jobs as fast as they are taken, in a process of its own.

Started by `fake_gateway`; told what to do by lines of JSON on its standard input, each answered by one on its standard output:

- ``{"add": [type, count, variables]}``: so many jobs more; a worker that polls or streams gets them at once.
- ``{"trickle": [type, count, seconds]}``: one job at a time, stamped with the clock when it was made.
- ``{"joined": type}``: answers when somebody waits for jobs of the type.
- ``{"ended": n}``: answers when so many jobs have ended.
- ``{"stats": null}``: what happened so far.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.http2 import Call, Connection
from camunda_workers.client.proto import gateway_pb2 as pb

BATCH = 50
"""Jobs in one message, as many as the engine's own gateway puts into one."""


@dataclass
class Type:
    """The jobs of one type, and who waits for them."""

    template: bytes = b""
    free: int = 0
    polls: deque[Call] = field(default_factory=deque[Call])
    streams: list[Call] = field(default_factory=list[Call])


@dataclass
class FakeGateway:
    """Answers the calls of workers; every job can be completed."""

    types: dict[str, Type] = field(default_factory=dict[str, Type])
    keys: int = 0
    ended: int = 0
    polls: int = 0
    pushed: int = 0
    _waiting: list[tuple[int, asyncio.Event]] = field(default_factory=list[tuple[int, asyncio.Event]])

    def called(self, call: Call) -> None:
        """Answer one call; the first field of its request tells which it is."""
        body = bytes(call.request[5:])
        if body[:1] == b"\x08":
            # Complete, fail, throw error: the job's key comes first.
            call.answer(b"")
            self.ended += 1
            while self._waiting and self.ended >= self._waiting[0][0]:
                self._waiting.pop(0)[1].set()
            return
        if not body:
            call.answer(pb.TopologyResponse(gatewayVersion="8.8.0").SerializeToString())
            return
        request = pb.ActivateJobsRequest.FromString(body)
        kind = self.types.setdefault(request.type, Type())
        if request.maxJobsToActivate > 0:
            self._poll(kind, call, request)
        else:
            call.on_room = lambda: self._push(kind)
            kind.streams.append(call)
            self._push(kind)

    def _poll(self, kind: Type, call: Call, request: pb.ActivateJobsRequest) -> None:
        self.polls += 1
        if kind.free:
            self._hand_out(kind, call, request.maxJobsToActivate)
            return
        call.request = bytearray(request.maxJobsToActivate.to_bytes(4, "big"))
        kind.polls.append(call)
        hold = request.requestTimeout / 1000 or 10.0
        asyncio.get_running_loop().call_later(hold, self._give_up, kind, call)

    def _give_up(self, kind: Type, call: Call) -> None:
        if call in kind.polls:
            kind.polls.remove(call)
            if call.open:
                call.end()

    def _hand_out(self, kind: Type, call: Call, most: int) -> None:
        count = min(most, kind.free)
        for start in range(0, count, BATCH):
            jobs = [self._job(kind) for _ in range(min(BATCH, count - start))]
            call.send(b"".join(b"\x0a" + varint(len(job)) + job for job in jobs))
        call.end()

    def _job(self, kind: Type, **fields: Any) -> bytes:
        kind.free -= 1
        self.keys += 1
        extra = pb.ActivatedJob(**fields).SerializeToString() if fields else b""
        return b"\x08" + varint(self.keys) + kind.template + extra

    def _push(self, kind: Type, **fields: Any) -> None:
        kind.streams = [stream for stream in kind.streams if stream.open]
        # As the engine does: what a stream has no room for stays with the engine, in a short queue here.
        while kind.free and (ready := [stream for stream in kind.streams if len(stream.waiting) < 2]):
            for stream in ready[: kind.free]:
                self.pushed += 1
                stream.send(self._job(kind, **fields))

    def add(self, job_type: str, count: int, variables: str, **fields: Any) -> None:
        """Make jobs, and hand them to whoever waits."""
        kind = self.types.setdefault(job_type, Type())
        kind.template = pb.ActivatedJob(
            type=job_type,
            variables=variables,
            customHeaders="{}",
            retries=3,
            elementId="work",
            bpmnProcessId="bench",
            processInstanceKey=1,
            elementInstanceKey=2,
            deadline=int((time.time() + 300) * 1000),
        ).SerializeToString()
        kind.free += count
        self._push(kind, **fields)
        while kind.free and kind.polls:
            call = kind.polls.popleft()
            if call.open:
                self._hand_out(kind, call, int.from_bytes(call.request, "big"))

    async def order(self, name: str, value: Any) -> Any:
        """Do what a line on the standard input says."""
        if name == "add":
            self.add(*value)
        elif name == "trickle":
            job_type, count, seconds = value
            for _ in range(count):
                self.add(job_type, 1, json.dumps({"made": time.monotonic_ns()}))
                await asyncio.sleep(seconds)
        elif name == "joined":
            while not ((kind := self.types.get(value)) and (kind.polls or kind.streams)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
            # A worker that streams opens its stream and its first poll one after the other.
            await asyncio.sleep(1.0)
        elif name == "ended":
            event = asyncio.Event()
            if self.ended < value:
                self._waiting.append((value, event))
                self._waiting.sort(key=lambda one: one[0])
                await event.wait()
        usage = time.process_time()
        return {"ended": self.ended, "polls": self.polls, "pushed": self.pushed, "cpu": usage}


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class GatewayProcess:
    """The fake gateway's process, seen from the benchmark."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process = process
        self.address = address

    async def order(self, name: str, value: Any = None) -> dict[str, Any]:
        """Tell it to do something, and wait until it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({name: value}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer


@asynccontextmanager
async def fake_gateway() -> AsyncGenerator[GatewayProcess]:
    """Run the gateway on a free port of the loopback interface; it ends with this block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.fake_gateway", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield GatewayProcess(process, (await process.stdout.readline()).decode().strip())
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def served(gateway: FakeGateway) -> AsyncGenerator[str]:
    """Serve in this process, on a free port of the loopback interface; yields the address."""
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection(gateway.called))
        return connections[-1]

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.close()
        # Transports close in the loop's next turn.
        await asyncio.sleep(0)
        await server.wait_closed()


async def main() -> None:
    """Serve until the standard input ends."""
    gateway = FakeGateway()
    async with served(gateway) as address:
        print(address, flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            ((name, value),) = json.loads(line).items()
            print(json.dumps(await gateway.order(name, value)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
