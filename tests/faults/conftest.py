"""What fault tests share: an engine, a way to it that fails on demand, and the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from camunda_workers import Client
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from tests.support.diagrams import process, sequence, service_task
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.ledger import Ledger, Verdict


class Cases:
    """Cases of one task on an engine: started here, counted from the engine's own records, never from what a worker says."""

    def __init__(self, engine: EmbeddedEngine, client: Client, ledger: Ledger) -> None:
        self.engine = engine
        self.client = client
        self.ledger = ledger
        self._number = 0

    async def start(self, count: int = 1, **variables: Any) -> None:
        """Start cases; each carries its number."""
        for _ in range(count):
            self._number += 1
            await self.client.start("case", {"number": self._number} | variables)
            self.ledger.started(self._number)

    async def events(self) -> list[Any]:
        """The engine's events so far."""
        lines = await self.engine.records.read(-1, 1_000_000)
        return [record for record in map(json.loads, lines) if record["recordType"] == "EVENT"]

    async def counts(self) -> Counter[str]:
        """How many cases were started, completed, cancelled, or hang in an incident."""
        found = Counter[str]()
        for event in await self.events():
            value = event["value"]
            if event["valueType"] == "INCIDENT":
                found["incident"] += {"CREATED": 1, "RESOLVED": -1}.get(event["intent"], 0)
            elif event["valueType"] == "PROCESS_INSTANCE" and value["bpmnElementType"] == "PROCESS":
                name = {"ELEMENT_ACTIVATED": "started", "ELEMENT_COMPLETED": "completed", "ELEMENT_TERMINATED": "cancelled"}.get(
                    event["intent"]
                )
                if name:
                    found[name] += 1
        return found

    async def jobs(self, intent: str) -> int:
        """How often this happened to jobs: CREATED, COMPLETED, FAILED, TIMED_OUT."""
        return sum(event["valueType"] == "JOB" and event["intent"] == intent for event in await self.events())

    async def settled(self, *, cap: int | None = None, within: float = 30.0) -> Verdict:
        """Wait until no case is under way, then check the invariants."""
        import asyncio

        async with asyncio.timeout(within):
            while (counts := await self.counts())["started"] > counts["completed"] + counts["incident"] + counts["cancelled"]:
                await asyncio.sleep(0.02)
        assert counts["started"] == counts["completed"] + counts["incident"] + counts["cancelled"]
        assert counts["started"] == self.ledger.count("started")
        # In these tests the ledger hears of the end of a case from the engine.
        verdict = self.ledger.verdict(cap=cap, ended=lambda: counts["started"])
        verdict.finished = counts["completed"]
        assert verdict.broken == []
        return verdict


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine() as running:
        yield running


@pytest.fixture
async def proxy(engine: EmbeddedEngine) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(engine.grpc_address) as running:
        yield running


@pytest.fixture
async def cases(engine: EmbeddedEngine, ledger: Ledger) -> AsyncIterator[Cases]:
    async with Client(settings=Settings(grpc_address=engine.grpc_address)) as client:
        await client.deploy(Resource("case.bpmn", process("case", sequence(service_task("work", "work")))))
        yield Cases(engine, client, ledger)
