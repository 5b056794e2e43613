"""The claims process on a fresh engine with its event log, workers that play the office's systems, and the task service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camunda_workers import Client, Router, worker
from camunda_workers.client import Resource, UserTask
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.events import EventLog
from camunda_workers.project_people import DutiesSection, InboxSection
from camunda_workers.settings import Settings
from camunda_workers.tasks import Caller, TaskQueue, TaskService, TaskStore, duties_router, open_desk, open_tasks
from camunda_workers.worker import WorkerRunner

ROOT = Path(__file__).resolve().parents[2]

ASSESSORS, APPROVERS = "claims-assessors", "claims-approvers"
DUTIES = DutiesSection.model_validate(
    {
        "listeners": ["four-eyes"],
        "supervisors": ["claims-leads"],
        "separate": [{"name": "assess and approve", "process": "claim", "tasks": ["assess-claim", "approve-payment"]}],
        "people": {
            "grace": {
                "name": "Grace Lindqvist",
                "email": "grace@office.example",
                "aliases": ["grace.admin"],
                "groups": [ASSESSORS, APPROVERS],
            },
            "amelia": {"email": "amelia@office.example", "groups": [ASSESSORS]},
            "ben": {"email": "ben@office.example", "groups": [ASSESSORS]},
            "dmitri": {"email": "dmitri@office.example", "groups": [APPROVERS]},
            "emma": {"email": "emma@office.example", "groups": [APPROVERS]},
            "lea": {"groups": ["claims-leads"]},
        },
    }
)
"""The rules of the claims office, as a project file would have them."""


def person(user: str) -> Caller:
    """Somebody of the office, logged in."""
    one = DUTIES.people.get(user)
    return Caller(user, frozenset(one.groups) if one is not None else None)


def claim(claim_id: str, *, amount: int = 25_000) -> dict[str, Any]:
    """A reported claim."""
    return {
        "claim_id": claim_id,
        "policy_number": 521585,
        "reported_at": "2026-03-02T09:00:00Z",
        "incident_date": "2026-03-01",
        "incident_type": "Single Vehicle Collision",
        "collision_type": "Side Collision",
        "incident_severity": "Major Damage",
        "authorities_contacted": "Police",
        "incident_state": "SC",
        "incident_city": "Columbus",
        "incident_hour": 5,
        "vehicles_involved": 1,
        "property_damage": "YES",
        "bodily_injuries": 1,
        "witnesses": 2,
        "police_report": "YES",
        "total_amount": amount,
        "injury_amount": 0,
        "property_amount": 0,
        "vehicle_amount": amount,
        "vehicle": {"make": "Saab", "model": "92x", "year": 2004},
        "claimant": {"name": "Robin Doe", "email": "robin@example.org"},
    }


POLICY = {"number": 521585, "state": "OH", "bind_date": "2014-10-17", "deductible": 1000, "annual_premium": 1406.91, "umbrella_limit": 0,
          "months_as_customer": 328, "holder": {"age": 48}, "status": "active"}  # fmt: skip


def systems(agent: Router | None = None) -> Router:
    """Workers in the place of the office's systems: every claim goes to an assessor."""

    @worker("check-policy")
    async def check_policy() -> Mapping[str, Any]:
        return {"policy": POLICY}

    @worker("triage-claim")
    async def triage() -> Mapping[str, Any]:
        return {
            "triage": {
                "route": "assess",
                "confidence": 0.9,
                "rationale": "large",
                "cited_fields": [],
                "strategy": "rules",
                "needs_human": False,
            }
        }

    @worker("pay-claim")
    async def pay() -> Mapping[str, Any]:
        return {"payment": {"payment_id": "PAY-1", "amount": 1, "paid_at": "2026-03-03T09:00:00Z"}}

    return Router(check_policy, *([] if agent else [triage]), pay)


@dataclass
class Ground:
    """A running office."""

    engine: EmbeddedEngine
    client: Client
    log: EventLog
    tasks: TaskService
    runner: WorkerRunner
    number: int = 0

    async def reported(self, *, amount: int = 25_000) -> str:
        """Report a claim; its id."""
        self.number += 1
        claim_id = f"CLM-{self.number:06d}"
        await self.client.start("claim", {"claim": claim(claim_id, amount=amount)}, business_id=claim_id)
        return claim_id

    async def task(self, claim_id: str, element_id: str) -> UserTask:
        """The open task of a claim."""
        async with asyncio.timeout(10):
            while True:
                found = await self.client.search_user_tasks({"elementId": element_id, "state": "CREATED"})
                for task in found:
                    if f"businessId:{claim_id}" in task.tags or task.business_id == claim_id:
                        return task
                await asyncio.sleep(0.005)

    async def assessed(self, claim_id: str, by: str, *, amount: int = 24_000) -> UserTask:
        """Have somebody assess a claim; the approval task that comes next."""
        task = await self.task(claim_id, "assess-claim")
        await self.tasks.claim(person(by), task.key)
        await self.tasks.complete(person(by), task.key, {"assessment": {"outcome": "approve", "amount": amount, "notes": "plausible"}})
        return await self.task(claim_id, "approve-payment")


@asynccontextmanager
async def office(
    folder: Path,
    duties: DutiesSection = DUTIES,
    *,
    extra: Sequence[Resource] = (),
    listeners: bool = True,
    on_disk: bool = False,
    patience: float = 10.0,
    searches: bool = False,
    agent: Router | None = None,
    shows: InboxSection | None = None,
) -> AsyncGenerator[Ground]:
    """Open the office.

    Args:
        folder: for attached files, and for log and store when they are ``on_disk`` (for other processes to see).
        duties: the rules.
        extra: deployed beside the claims process.
        listeners: whether a worker for the listeners runs.
        on_disk: see ``folder``.
        patience: seconds one call may take.
        searches: whether lists come from the engine's search, as on the command line, and not from the event log.
        agent: does the triage, in the place of a worker that sends every claim to an assessor.
        shows: what is shown of cases, and which are sensitive.
    """
    async with (
        EventLog.open(folder / "events.db" if on_disk else ":memory:") as log,
        EmbeddedEngine(rest_port=0, log=log) as engine,
        Client(engine.grpc_address, engine.rest_address, settings=Settings(request_timeout=patience)) as client,
        TaskStore(folder / "tasks.db" if on_disk else ":memory:", files=folder / "attachments") as store,
        open_tasks(
            client,
            log,
            duties,
            store=store,
            clock=engine.clock,
            catch_up=engine.read_model,
            queue=None if searches else TaskQueue(log, catch_up=engine.read_model),
            shows=shows,
        ) as tasks,
    ):
        await client.deploy(ROOT / "bpmn" / "claims", ROOT / "forms", *extra)
        # The listener has no way to hurry the log: it waits until the log has its own job, as in another process.
        routers = [
            systems(agent),
            *([agent] if agent else []),
            *([duties_router(duties, lambda: open_desk(duties, log, store=store, clock=engine.clock))] if listeners else []),
        ]
        async with WorkerRunner(client, routers) as runner:
            yield Ground(engine, client, log, tasks, runner)
