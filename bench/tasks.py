"""The inbox over a million tasks, 100,000 of them open: lists and task pages as its pages are really made, on SQLite and PostgreSQL.

The pages are asked of the real inbox, signed in, through its whole stack but the socket: session, rights, service, engine, log, template.
``TASKS`` and ``OPEN_TASKS`` set how many there are. PostgreSQL is measured where its programs are installed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench.result import Result
from bench.tasks_data import USERS, Case, make_rows, tell_cases
from camunda_workers import Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.events import EventLog
from camunda_workers.inbox import Parts, development_users
from camunda_workers.inbox.app import create_inbox
from camunda_workers.inbox.parts import Rates
from camunda_workers.logs import configure_logging
from camunda_workers.project_people import DutiesSection, InboxSection
from camunda_workers.settings import Settings
from camunda_workers.tasks import TaskQueue, TaskStore, duties_router, open_desk, open_tasks
from camunda_workers.worker import WorkerRunner
from camunda_workers.worker.collector import calm_collector
from tests.support.inbox_ground import PASSWORD, SECTION, Browser
from tests.support.postgres_server import postgres_server
from tests.support.tasks_ground import DUTIES, ROOT, claim, systems

COUNT: Final = int(os.environ.get("TASKS", "1000000"))
OPEN: Final = int(os.environ.get("OPEN_TASKS", "100000"))
CASES: Final = 2_000
"""Open tasks whose cases have all their records; the task pages that are looked at are theirs."""
LOOKS: Final = 300
TOGETHER: Final = 200

SEARCHED: Final = ("robin", "CLM-80012345", "claims-assessors", "user-17", "assess", "doe approve", "queue-7 user-3", "nothing-has-this")

LIST_MS: Final = 50.0
PAGE_MS: Final = 100.0


@dataclass
class Ground:
    """An office with a past, and its inbox."""

    log: EventLog
    client: Client
    app: Any
    tasks: list[int]

    async def browser(self, user: str, number: int = 0) -> Browser:
        """Somebody's browser, signed in; every one at an address of its own."""
        browser = Browser("http://127.0.0.1")
        await browser.http.aclose()
        transport = httpx.ASGITransport(self.app, client=(f"10.0.{number // 250}.{number % 250}", 5000))
        browser.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers={"Accept-Language": "en"}, timeout=60)
        answer = await browser.sign_in(user)
        assert answer.status_code == 303, answer.text
        return browser


@asynccontextmanager
async def ground(where: Path | str, folder: Path) -> AsyncGenerator[Ground]:
    """Run the office."""
    people = {f"user-{number}": {"groups": ["claims-assessors"]} for number in range(USERS)}
    section = InboxSection.model_validate({**SECTION.model_dump(), "users": people})
    duties: DutiesSection = DUTIES
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(EventLog.open(where))
        engine = await stack.enter_async_context(EmbeddedEngine(rest_port=0, log=log))
        client = await stack.enter_async_context(Client(engine.grpc_address, engine.rest_address, settings=Settings(request_timeout=60)))
        store = await stack.enter_async_context(TaskStore(folder / "tasks.db", files=folder / "attachments"))
        queue = TaskQueue(log, catch_up=engine.read_model)
        tasks = await stack.enter_async_context(
            open_tasks(client, log, duties, store=store, clock=engine.clock, catch_up=engine.read_model, queue=queue, shows=section)
        )
        await client.deploy(ROOT / "bpmn" / "claims", ROOT / "forms")
        listeners = duties_router(duties, lambda: open_desk(duties, log, store=store, clock=engine.clock))
        await stack.enter_async_context(WorkerRunner(client, [systems(), listeners]))
        await client.start("claim", {"claim": claim("CLM-000001")}, business_id="CLM-000001")
        await engine.settle()
        await engine.read_model()
        (instance,) = await log.instances_of("CLM-000001")
        lines = [record.text async for record in log.records(process_instance_keys=[instance])]
        now = round(engine.clock.now().timestamp() * 1000)
        begun = time.perf_counter()
        keys = await tell_cases(log, Case(lines), min(CASES, OPEN // 2), now)
        await make_rows(log.database, keys[0], COUNT - OPEN, OPEN - len(keys), now)
        print(f"    {COUNT:,} tasks made in {time.perf_counter() - begun:.0f} s", flush=True)
        parts = Parts(
            client=client,
            tasks=tasks,
            log=log,
            model=engine.read_model,
            users=development_users(section, duties, PASSWORD),
            section=section,
            name="claims",
            clock=engine.clock,
            secure=False,
            rates=Rates(looks=1_000_000),  # it asks faster than any person may
        )
        app = create_inbox(parts)
        await stack.enter_async_context(app.router.lifespan_context(app))
        stack.enter_context(calm_collector())  # as `up` and `inbox` have it
        yield Ground(log, client, app, keys)


async def _took(what: str, work: Callable[[int], Awaitable[Any]], times: int) -> list[float]:
    """Milliseconds of each; beside the clock, what it cost of the processor, which other programs on the machine do not change."""
    took: list[float] = []
    used = time.process_time()
    for number in range(times):
        begun = time.perf_counter()
        await work(number)
        took.append((time.perf_counter() - begun) * 1000)
    used = (time.process_time() - used) / times * 1000
    print(f"    {what}: median {statistics.median(took):.1f}, p99 {_p99(took):.1f} ms; {used:.1f} ms of processor", flush=True)
    return took


async def _fine(browser: Browser, path: str) -> httpx.Response:
    answer = await browser.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    return answer


def _p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


async def _measure(name: str, where: Path | str, folder: Path) -> list[Result]:
    results: list[Result] = []
    async with ground(where, folder) as office:
        amelia, lea = await office.browser("amelia"), await office.browser("lea", 1)
        lists = [
            "/list?scope=mine",
            "/list?scope=team",
            "/list?scope=all",
            "/list?scope=team&sort=priority",
            "/list?scope=team&due=overdue",
        ]
        for path in lists:
            await _fine(amelia, path)
        took = await _took("list", lambda number: _fine(amelia, lists[number % len(lists)]), LOOKS)
        results.append(Result(f"inbox list, {COUNT:,} tasks, {name}: p99", "ms", _p99(took), LIST_MS))
        took = await _took("list of everything", lambda _: _fine(lea, "/list?scope=all"), LOOKS // 3)
        results.append(Result(f"a supervisor's list of all {OPEN:,} open tasks, {name}: p99", "ms", _p99(took), LIST_MS))
        searches = [f"/list?scope={scope}&q={words}" for words in SEARCHED for scope in ("all", "team")]
        begun = time.perf_counter()
        await _fine(lea, searches[0])
        print(f"    the first search reads every open task: {time.perf_counter() - begun:.1f} s", flush=True)
        took = await _took("search", lambda number: _fine((lea, amelia)[number % 2], searches[number // 2 % len(searches)]), LOOKS)
        results.append(Result(f"search among all {OPEN:,} open tasks, {name}: p99", "ms", _p99(took), LIST_MS))
        pages = office.tasks[:: max(len(office.tasks) // LOOKS, 1)][:LOOKS]
        await _fine(amelia, f"/tasks/{pages[0]}")
        part = {"HX-Request": "true"}

        async def page(number: int) -> None:
            answer = await amelia.get(f"/tasks/{pages[number]}", **part)
            assert answer.status_code == 200, answer.text[:300]

        took = await _took("page", page, len(pages))
        results.append(Result(f"task page, {COUNT:,} tasks, {name}: p99", "ms", _p99(took), PAGE_MS))
        results += await _together(name, office)
        results.append(await _visible(name, office, amelia))
    return results


async def _together(name: str, office: Ground) -> list[Result]:
    """So many people at once: each looks at the list, at a task, and at the list again."""
    browsers = [await office.browser(f"user-{number}", number + 2) for number in range(TOGETHER)]
    errors = 0

    async def works(number: int, browser: Browser) -> None:
        nonlocal errors
        for path in ("/list?scope=mine", f"/tasks/{office.tasks[number % len(office.tasks)]}", "/list?scope=team"):
            answer = await browser.get(path)
            errors += answer.status_code != 200

    begun = time.perf_counter()
    await asyncio.gather(*(works(number, browser) for number, browser in enumerate(browsers)))
    seconds = time.perf_counter() - begun
    print(f"    {TOGETHER} people at once: {3 * TOGETHER / seconds:.0f} pages a second", flush=True)
    return [
        Result(f"{TOGETHER} people at once, {name}: pages that failed", "pages", errors, 0.0),
    ]


async def _visible(name: str, office: Ground, browser: Browser) -> Result:
    """From the start of a case to its task in somebody's list, with three workers' jobs on the way."""
    took: list[float] = []
    for number in range(10):
        claim_id = f"CLM-7{number:05d}"
        begun = time.perf_counter()
        await office.client.start("claim", {"claim": claim(claim_id)}, business_id=claim_id)
        async with asyncio.timeout(20):
            while claim_id not in (await _fine(browser, "/list?scope=team&sort=newest")).text:
                pass
        took.append(time.perf_counter() - begun)
    return Result(f"record to visible in the list, {name}: slowest of 10", "s", max(took), 1.0)


def run() -> Iterator[Result]:
    """Measure."""
    configure_logging("warning")
    with tempfile.TemporaryDirectory() as name:
        yield from asyncio.run(_measure("SQLite", Path(name) / "events.db", Path(name)))
    try:
        with postgres_server() as server, tempfile.TemporaryDirectory() as name:
            yield from asyncio.run(_measure("PostgreSQL", server.new_database(), Path(name)))
    except (FileNotFoundError, RuntimeError) as error:
        print(f"  PostgreSQL is not measured: {error}")
