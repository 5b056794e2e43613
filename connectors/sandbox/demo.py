"""The demo: real claims on the real engine, people and systems around it, weeks of virtual time in seconds.

Everything is put together here from parts that know nothing of each other: the sandbox's systems, the connectors' and the AI task's workers, the
people of the claims office. What happened is then read from the event log alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from ai_tasks.claim_triage import task as triage
from camunda_workers import WorkerRunner
from camunda_workers.app import work_recorded
from camunda_workers.client import Client
from camunda_workers.clock import Clock
from camunda_workers.events import EventLog, RecordSource
from camunda_workers.project import load_project
from camunda_workers.tasks import duties_router, open_desk
from camunda_workers.tasks.duties.log_sink import LogFacts
from camunda_workers.tasks.store import DEFAULT_FILE
from connectors.documents import workers as documents
from connectors.documents.client import DocumentsClient
from connectors.notifications import workers as notifications
from connectors.notifications.client import NotificationsClient
from connectors.payments import workers as payments
from connectors.payments.client import PaymentsClient
from connectors.policies import workers as policies
from connectors.policies.client import PoliciesClient
from connectors.sandbox.agenda import Agenda, Happening
from connectors.sandbox.dataset import Case, load, whole_weeks_until
from connectors.sandbox.faults import Fault
from connectors.sandbox.office import PROCESS_ID, Office
from connectors.sandbox.results import DemoProgress, DemoResult
from connectors.sandbox.server import Sandbox
from connectors.sandbox.tally import Tally, label_agreement, percentile, straight_through_rate

Speed = Literal["fast", "watch"]

ROUTERS: Final = (policies.router, payments.router, documents.router, notifications.router, triage.router)
ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST: Final = timedelta(days=90)
"""How long after the last report the demo waits for claims that do not end."""

OUTAGE_AFTER: Final = timedelta(days=10, hours=6)
OUTAGE_LASTS: Final = timedelta(hours=10)
"""The ledger is out of order for a working day (the first claim is reported early on a Friday): longer than a payment is tried, shorter than a
reversal is."""

MISHAPS: Final[tuple[tuple[timedelta, str, Fault], ...]] = (
    (timedelta(days=1), "policies", Fault(kind="status", status=503, calls=1)),
    (timedelta(days=4), "payments", Fault(kind="lost-reply", method="POST", calls=1)),
    (timedelta(days=6), "notifications", Fault(kind="malformed", method="POST", calls=1)),
    (timedelta(days=8), "documents", Fault(kind="html", method="POST", calls=1)),
    (timedelta(days=13), "payments", Fault(kind="wrong", method="POST", calls=1)),
)
"""What else goes wrong once: when after the first report, where, how. Each costs one try of one job."""

WATCH_SECONDS_PER_HOUR: Final = 0.04
WATCH_LONGEST_PAUSE: Final = 0.6


class Engine(Protocol):
    """What the demo needs of an engine: time that can be moved."""

    @property
    def clock(self) -> Clock:
        """The engine's time."""
        ...

    @property
    def records(self) -> RecordSource:
        """Everything that happens in it."""
        ...

    async def advance(self, by: timedelta) -> None:
        """Moves time forward; what is due on the way happens at its time."""
        ...

    async def settle(self) -> None:
        """Waits until nothing is left to do now."""
        ...

    def next_due(self) -> datetime | None:
        """When the next timer or back-off is due."""
        ...


def _no_report(progress: DemoProgress) -> None:
    """Nobody wants to know."""


async def run(
    *,
    client: Client,
    engine: Engine,
    log: EventLog,
    cases: int = 40,
    speed: Speed = "fast",
    report: Callable[[DemoProgress], None] = _no_report,
    sandbox_file: Path | None = None,
) -> DemoResult:
    """Runs claims from the report to the end.

    Args:
        client: an open client of the engine.
        engine: the engine, for its time.
        log: the event log; whoever calls this feeds it from the engine.
        cases: how many claims, 1 to 300.
        speed: ``watch`` pauses so that people can follow.
        report: told about each step.
        sandbox_file: where the systems of record keep what they know; without it, it is gone at the end.

    Raises:
        ValueError: not that many claims are there.
    """
    began = time.monotonic()
    first_position = await log.position()
    dataset = load(shift=whole_weeks_until(engine.clock.now(), load().sample(cases)[0].claim.reported_at))
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(dataset.policies, database=sandbox_file))
        demo = _Demo(
            client,
            engine,
            sandbox,
            dataset.sample(cases),
            documents=await stack.enter_async_context(DocumentsClient(sandbox.settings.documents_url)),
            payments=await stack.enter_async_context(PaymentsClient(sandbox.settings.payments_url)),
            speed=speed,
            report=report,
        )
        await client.deploy(ROOT / "bpmn" / "claims", ROOT / "forms")
        await stack.enter_async_context(workers(client, engine.clock, sandbox, log))
        await demo.live()
        await engine.settle()
        tally = await _read(log, engine, first_position, list(demo.instances))
        labels = [(instance.triage, demo.instances[key].label) for key, instance in tally.instances.items() if instance.triage is not None]
        return DemoResult(
            started=len(tally.instances),
            completed=tally.completed,
            incidents=tally.with_incident,
            active=tally.active,
            outcomes=tally.outcomes,
            straight_through_rate=round(straight_through_rate(tally.outcomes), 4),
            human_tasks=tally.human_tasks,
            escalations=tally.escalations,
            ai_decisions=tally.ai_decisions,
            label_agreement=_rounded(label_agreement(labels), 4),
            records=tally.records,
            cycle_hours_p50=_rounded(percentile(tally.cycle_hours, 0.5), 2),
            cycle_hours_p95=_rounded(percentile(tally.cycle_hours, 0.95), 2),
            wall_seconds=round(time.monotonic() - began, 2),
            four_eyes_denials=tally.denials,
            second_approvals=tally.second_approvals,
            payments_reversed=tally.reversals,
            payments_by_hand=demo.office.paid_by_hand,
            virtual_days=round((engine.clock.now() - demo.sample[0].claim.reported_at) / timedelta(days=1), 1),
            business_ids=tuple(case.claim.claim_id for case in demo.instances.values()),
            most_eventful=demo.instances[tally.most_eventful].claim.claim_id,
        )


@asynccontextmanager
async def workers(client: Client, clock: Clock, sandbox: Sandbox, log: EventLog) -> AsyncGenerator[WorkerRunner]:
    """Every worker of the claims process, connected to a sandbox instead of the systems that the environment names.

    The task store, with every decision about duties, lies beside the log.
    """
    rules = load_project(ROOT).duties
    store = log.path.with_name(DEFAULT_FILE) if log.path is not None else ":memory:"
    duties = duties_router(rules, lambda: open_desk(rules, log, store=store, sink=LogFacts(log, clock=clock), clock=clock), clock=clock)
    async with (
        PoliciesClient(sandbox.settings.policies_url) as policies,
        PaymentsClient(sandbox.settings.payments_url) as payments,
        DocumentsClient(sandbox.settings.documents_url) as documents,
        NotificationsClient(sandbox.settings.notifications_url) as notifications,
    ):
        resources: dict[Any, object] = {
            PoliciesClient: policies,
            PaymentsClient: payments,
            DocumentsClient: documents,
            NotificationsClient: notifications,
            Clock: clock,
        }
        async with (
            work_recorded(log, clock) as recorded,
            WorkerRunner(client, (*ROUTERS, duties), name="claims-demo", resources=resources, middleware=[recorded]) as runner,
        ):
            yield runner


class _Demo:
    """One run: what happens when."""

    def __init__(
        self,
        client: Client,
        engine: Engine,
        sandbox: Sandbox,
        sample: Sequence[Case],
        *,
        documents: DocumentsClient,
        payments: PaymentsClient,
        speed: Speed,
        report: Callable[[DemoProgress], None],
    ) -> None:
        self.sample = sample
        self.instances: dict[int, Case] = {}
        self._client = client
        self._engine = engine
        self._sandbox = sandbox
        self._speed = speed
        self._report = report
        self._agenda = Agenda()
        self._ended = 0
        self.office = Office(client, self._agenda, documents=documents, payments=payments, note=self._tell)

    async def live(self) -> None:
        """Lets everything happen until every claim has ended, or nothing more can happen."""
        for case in self.sample:
            self._agenda.plan(case.claim.reported_at, self._reported(case))
        self._plan_troubles(self.sample[0].claim.reported_at)
        last = self.sample[-1].claim.reported_at
        while True:
            now = self._engine.clock.now()
            await self._agenda.happen(now)
            await self._engine.settle()
            await self.office.look(self._engine.clock.now())
            self._ended = len(self.instances) - await self._active()
            self._tell(None)
            if self._ended == len(self.sample) or now > last + LONGEST:
                return
            moments = [moment for moment in (self._agenda.next_at(), self._engine.next_due()) if moment is not None]
            if not moments:
                return
            await self._pass_time(min(moments) - self._engine.clock.now())

    def _reported(self, case: Case) -> Happening:
        async def start(at: datetime) -> None:
            claim = case.claim
            started = await self._client.start(PROCESS_ID, {"claim": claim.model_dump(mode="json")}, business_id=claim.claim_id)
            self.instances[started.process_instance_key] = case
            self.office.claimant_of(claim, at)
            self._tell(f"{claim.claimant.name} reported {claim.claim_id}: {claim.incident_type}, {claim.total_amount:,} dollars")

        return start

    def _plan_troubles(self, first: datetime) -> None:
        faults = self._sandbox.faults

        async def works_again(at: datetime) -> None:
            faults.clear("payments")
            self._tell("the payments ledger works again")

        def breaks(system: str, fault: Fault) -> Happening:
            async def happen(at: datetime) -> None:
                faults.add(system, fault)

            return happen

        for after, system, fault in MISHAPS:
            self._agenda.plan(first + after, breaks(system, fault))
        self._agenda.plan(first + OUTAGE_AFTER, breaks("payments", Fault(kind="status", status=503)))
        self._agenda.plan(first + OUTAGE_AFTER + OUTAGE_LASTS, works_again)

    async def _active(self) -> int:
        if not self.instances:
            return 0
        found = await self._client.search_process_instances({"processDefinitionId": PROCESS_ID, "state": "ACTIVE"}, page={"limit": 1000})
        return sum(instance.process_instance_key in self.instances for instance in found)

    async def _pass_time(self, by: timedelta) -> None:
        if self._speed == "watch":
            await asyncio.sleep(min(by / timedelta(hours=1) * WATCH_SECONDS_PER_HOUR, WATCH_LONGEST_PAUSE))
        # At least a millisecond, the engine's smallest step: what is due exactly now must not keep time from passing.
        await self._engine.advance(max(by, timedelta(milliseconds=1)))

    def _tell(self, note: str | None) -> None:
        self._report(DemoProgress(self._engine.clock.now(), len(self.sample), len(self.instances), self._ended, note))


async def _read(log: EventLog, engine: Engine, after: int, keys: Sequence[int]) -> Tally:
    deadline = time.monotonic() + 30
    while await engine.records.read(await log.position(), 1):
        if time.monotonic() > deadline:
            raise TimeoutError("the event log did not catch up with the engine in 30 s: is something feeding it (a Pump)?")
        await asyncio.sleep(0.02)
    tally = Tally(keys)
    async for record in log.records(after=after):
        tally.fold(record)
    return tally


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
