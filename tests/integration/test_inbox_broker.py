"""The inbox and the rules beside a real broker 8.6, which asks no task listeners: people work in it, and what goes around the rules is found."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Client, Resource, UserTask
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.events import DEFAULT_FILE, EventLog
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.inbox import Parts, development_users, serve_inbox
from camunda_workers.inbox.production import open_parts
from camunda_workers.project import load_project
from camunda_workers.settings import Settings
from camunda_workers.worker import WorkerRunner
from tests.support.diagrams import process, sequence, service_task
from tests.support.inbox_ground import PASSWORD, SECTION, Browser, eventually
from tests.support.tasks_ground import DUTIES, ROOT, claim, systems
from tests.tasklist.editions import CLAIMS, with_early_listeners

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

ODD = Resource("odd.bpmn", process("odd-job", sequence(service_task("odd", "odd"))))
PROVIDER = '[inbox.oidc]\nissuer = "https://login.example"\nclient_id = "inbox"\n'


@dataclass
class Place:
    """An inbox beside a broker."""

    engine: BrokerEngine
    client: Client
    parts: Parts
    address: str

    @asynccontextmanager
    async def browser(self, user: str) -> AsyncGenerator[Browser]:
        async with Browser(self.address) as browser:
            assert (await browser.sign_in(user)).status_code == 303
            yield browser

    async def task(self, element_id: str, instance: int) -> UserTask:
        async def find() -> UserTask | None:
            found = await self.client.search_user_tasks({"processInstanceKey": str(instance), "elementId": element_id, "state": "CREATED"})
            return found[0] if found else None

        return await eventually(find, seconds=60)

    async def odd(self) -> list[pb.ActivatedJob]:
        return await self.client.activate_jobs("odd", worker="test", timeout=timedelta(minutes=1), max_jobs=1)


@asynccontextmanager
async def place(folder: Path) -> AsyncGenerator[Place]:
    """What ``engine start --engine broker`` and ``inbox`` run, in one process; but people sign in without a provider."""
    file = folder / "camunda-workers.toml"
    file.write_text(PROVIDER, encoding="utf-8")
    project = load_project(file)
    object.__setattr__(project, "duties", DUTIES)
    async with BrokerEngine(folder / "broker", search=True) as engine, EventLog.open(engine.data / DEFAULT_FILE) as log:
        settings = Settings(
            grpc_address=engine.grpc_address,
            rest_address=engine.rest_address,
            data_dir=folder / "data",
            inbox_url="http://127.0.0.1:1",
            request_timeout=40,
        )
        async with (
            Client(settings=settings) as client,
            open_parts(project, settings, log) as opened,
            WorkerRunner(client, [systems()]),
        ):
            await client.deploy(with_early_listeners(), CLAIMS.with_name("fraud-score.dmn"), ROOT / "forms", ODD)
            parts = replace(
                opened, users=development_users(SECTION, DUTIES, PASSWORD), section=SECTION, provider=None, address="", secure=False
            )
            async with serve_inbox(parts) as address:
                yield Place(engine, client, parts, address)


async def test_people_work_beside_a_broker_and_what_goes_around_the_rules_is_found(tmp_path: Path) -> None:
    async with place(tmp_path) as site, site.browser("amelia") as amelia, site.browser("dmitri") as dmitri, site.browser("olga") as olga:
        ready = (await olga.get("/readyz")).json()
        assert not ready["ready"]
        assert list(ready["problems"]) == ["duties engine"], "an engine that asks no listeners waits for no worker of theirs"
        assert "asks no task listeners" in ready["problems"]["duties engine"]

        instance = (await site.client.start("claim", {"claim": claim("CLM-000001")})).process_instance_key
        task = await site.task("assess-claim", instance)

        async def listed() -> bool:
            return f'data-row="{task.key}"' in (await amelia.get("/tasks?scope=team")).text

        assert await eventually(listed, seconds=30)
        claimed = await amelia.post(f"/tasks/{task.key}/claim")
        assert "You have this task" in claimed.text, claimed.text
        assert "form-data" in claimed.text
        headers = {
            "X-CSRF-Token": amelia.csrf,
            "X-File-Name": "report.pdf",
            "Content-Type": "application/pdf",
            "Accept": "application/json",
        }
        attached = await amelia.http.post(f"/tasks/{task.key}/files", content=b"%PDF-1.7\n% a report\n", headers=headers)
        assert attached.status_code == 201, attached.text
        entered: dict[str, Any] = {"assessment": {"outcome": "approve", "amount": -5, "notes": "plausible"}}
        refused = await amelia.send(f"/tasks/{task.key}/complete", {"variables": entered})
        assert list(refused.json()["problems"]) == ["assessment.amount"]
        entered["assessment"]["amount"] = 24_000
        done = await amelia.send(f"/tasks/{task.key}/complete", {"variables": entered})
        assert done.status_code == 200, done.text

        approve = await site.task("approve-payment", instance)
        page = await dmitri.get(f"/tasks/{approve.key}?scope=team")
        assert "report.pdf" in page.text
        diagram = await olga.get(f"/processes/{approve.process_definition_key}")
        assert diagram.status_code == 200
        assert "approve-payment" in diagram.text
        await dmitri.post(f"/tasks/{approve.key}/claim")
        done = await dmitri.send(f"/tasks/{approve.key}/complete", {"variables": {"approval": {"outcome": "approve", "notes": "Agreed."}}})
        assert done.status_code == 200, done.text

        # An incident is seen and tried again.
        await site.client.start("odd-job")
        job = await eventually(site.odd, seconds=30)
        await site.client.fail_job(job[0].key, retries=0, message="no such thing")

        async def retry() -> re.Match[str] | None:
            page = await olga.get("/incidents")
            return re.search(r"/incidents/\d+/retry", page.text)

        found = await eventually(retry, seconds=30)
        assert (await olga.post(found[0])).status_code == 200
        again = await eventually(site.odd, seconds=30)
        await site.client.complete_job(again[0].key)

        # In our inbox the rules hold here, too; over the API nobody is asked, and it is found.
        second = (await site.client.start("claim", {"claim": claim("CLM-000002")})).process_instance_key
        task = await site.task("assess-claim", second)
        async with site.browser("grace") as grace:
            await grace.post(f"/tasks/{task.key}/claim")
            assert (await grace.send(f"/tasks/{task.key}/complete", {"variables": entered})).status_code == 200
            approve = await site.task("approve-payment", second)
            denied = await grace.post(f"/tasks/{approve.key}/claim")
            assert denied.status_code == 403, denied.text
        await site.client.assign_user_task(approve.key, "grace.admin")
        await site.client.complete_user_task(approve.key, {"approval": {"outcome": "approve", "notes": "Agreed with myself."}})
        ledger = site.parts.tasks.store.ledger
        (violation,) = await eventually(lambda: ledger.facts(approve.key, kind="duty.violated"), seconds=30)
        assert violation.actor == "grace.admin"
        assert [one["rule"] for one in violation.data["reasons"] if not one["allowed"]] == ["assess and approve"]
        facts = [one async for one in site.parts.log.records(partition=0, value_types={"POLICY_DECISION"})]
        assert [one.key for one in facts if one.intent == "VIOLATED"] == [approve.key]
        # Two programs write to one log, and its chain holds.
        assert (await verify_log(site.parts.log)).good
