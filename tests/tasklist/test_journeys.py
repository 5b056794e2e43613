"""The claims process in Camunda's own Tasklist 8.6, in a real Chromium: with our engine behind it, and with a broker 8.6."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from camunda_workers.client import Client
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.errors import BadResource
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.sources.sink import ExporterSink, exporter_properties
from camunda_workers.project import load_project
from camunda_workers.tasks import Caller, TaskStore
from camunda_workers.tasks.duties.audit_running import AuditTrail
from camunda_workers.tasks.duties.engine_ready import engine_problems
from camunda_workers.worker import WorkerRunner
from tests.support import opensearch
from tests.support.opensearch import Indices
from tests.support.opensearch.exporting import exporting
from tests.support.tasklist_app import tasklist
from tests.support.tasks_ground import ROOT, claim, office, systems
from tests.tasklist.desk import PATIENCE, desks
from tests.tasklist.editions import CLAIMS, with_early_listeners

pytestmark = [pytest.mark.tasklist, pytest.mark.browser, pytest.mark.timeout(400)]
GRACE, DMITRI, AMELIA, EMMA = "grace.lindqvist", "dmitri.volkov", "amelia.hart", "emma.nakamura"
FORMS = 3
ASSESSED = {"Amount to pay": "24000", "Notes": "Plausible: the photographs fit."}


@pytest.mark.engine
async def test_duties_hold_in_tasklist_with_our_engine_behind_it(tmp_path: Path) -> None:
    duties = load_project(ROOT).duties
    async with (
        office(tmp_path, duties, on_disk=True, patience=20) as ground,
        Indices.fresh() as indices,
        exporting(ground.log, indices),
        tasklist(
            tmp_path, grpc=ground.engine.grpc_address, rest=ground.engine.rest_address, records=indices.prefix, users=(GRACE, DMITRI)
        ) as app,
    ):
        await app.has_forms(FORMS)
        claim_id = await ground.reported()
        await ground.task(claim_id, "assess-claim")
        async with desks(app) as (grace, dmitri):
            # Tasklist shows the task with its form; Grace assesses the claim.
            await grace.open("Assess claim")
            await grace.shot("form")
            await grace.claimed()
            await grace.fill("Approve", ASSESSED)
            await grace.shot("filled-in")
            await grace.complete()
            await grace.told("Task completed")
            approve = await ground.task(claim_id, "approve-payment")

            # She may not approve it, too: the listener denies the assignment, and nothing has changed.
            await grace.open("Approve payment")
            await grace.claim()
            await grace.told("Task could not be assigned")
            await grace.shot("denied")
            assert (await ground.client.get_user_task(approve.user_task_key)).assignee is None

            await dmitri.open("Approve payment")
            await dmitri.claimed()
            await dmitri.fill("Approve", {"Notes": "Agreed."})
            await dmitri.complete()
            await dmitri.told("Task completed")
            await dmitri.shot("completed")

            # A large payment needs two: the listener records the first approval, and denies the completion.
            large = await ground.reported(amount=82_000)
            amelia, emma = (
                Caller(AMELIA, frozenset({"claims-assessors"})),
                Caller(EMMA, frozenset({"claims-approvers", "claims-directors"})),
            )
            task = await ground.task(large, "assess-claim")
            await ground.tasks.claim(amelia, task.user_task_key)
            await ground.tasks.complete(
                amelia, task.user_task_key, {"assessment": {"outcome": "approve", "amount": 80_000, "notes": "plausible"}}
            )
            both = await ground.task(large, "approve-payment")
            await dmitri.open("Approve payment")
            await dmitri.claimed()
            await dmitri.fill("Approve", {"Notes": "Agreed."})
            await dmitri.complete()
            # 8.6 has no message for a refused completion (its handler wants an error of another kind) and stays like this until it is loaded anew.
            await dmitri.told("Completing task...")
            await dmitri.shot("one-of-two")
            await dmitri.page.reload()
            await expect(dmitri.page.get_by_role("button", name="Complete Task")).to_be_visible(timeout=PATIENCE)
            assert (await ground.client.get_user_task(both.user_task_key)).state == "CREATED"
            await dmitri.release()
            # The other one sits at our inbox.
            await ground.tasks.claim(emma, both.user_task_key)
            await ground.tasks.complete(emma, both.user_task_key, {"approval": {"outcome": "approve", "notes": "Agreed, too."}})
        await ground.engine.settle()
        model = ReadModel(ground.log)
        await model.catch_up()
        done = {(one["elementId"], one["assignee"]) for one in (await model.search_user_tasks({"state": "COMPLETED"}))["items"]}
        assert done == {("assess-claim", GRACE), ("approve-payment", DMITRI), ("assess-claim", AMELIA), ("approve-payment", EMMA)}
        denied = [one.intent async for one in ground.log.records(value_types={"USER_TASK"}) if one.intent.endswith("_DENIED")]
        assert denied == ["ASSIGNMENT_DENIED", "COMPLETION_DENIED"]
        assert (await verify_log(ground.log)).good


async def test_a_broker_8_6_takes_no_listeners_and_everything_else(tmp_path: Path) -> None:
    async with Indices.fresh() as indices, EventLog.open(tmp_path / "events.db", durable=True) as log, ExporterSink(log) as sink:
        base = "zeebe.broker.exporters.search"
        properties = exporter_properties(sink.address, name="sink") | {
            f"{base}.className": "io.camunda.zeebe.exporter.opensearch.OpensearchExporter",
            f"{base}.args.url": opensearch.address(),
            f"{base}.args.bulk.delay": 1,
            f"{base}.args.index.prefix": indices.prefix,
            f"{base}.args.index.numberOfShards": 1,
            f"{base}.args.index.numberOfReplicas": 0,
        }
        async with (
            BrokerEngine(tmp_path / "broker", properties=properties) as engine,
            Client(engine.grpc_address, engine.rest_address) as client,
        ):
            readiness = await engine_problems(load_project(ROOT).duties, client)
            # 8.6 does not know the events of 8.8; under its own names it reads them, and asks nobody.
            with pytest.raises(BadResource, match="ZeebeTaskListenerEventType"):
                await client.deploy(CLAIMS)
            await client.deploy(with_early_listeners(), CLAIMS.with_name("fraud-score.dmn"), ROOT / "forms")
            async with (
                tasklist(
                    tmp_path, grpc=engine.grpc_address, rest=engine.rest_address, records=indices.prefix, users=(GRACE, DMITRI)
                ) as app,
                WorkerRunner(client, [systems()]),
            ):
                await app.has_forms(FORMS)
                started = await client.start("claim", {"claim": claim("CLM-000001")})
                async with desks(app) as (grace, _):
                    await grace.open("Assess claim")
                    await grace.shot("8.6-form")
                    await grace.claimed()
                    await grace.fill("Approve", ASSESSED)
                    await grace.complete()
                    await grace.told("Task completed")
                    # Nobody stops her here: this is why duties need 8.8.
                    await grace.open("Approve payment")
                    await grace.claimed()
                    await grace.fill("Approve", {"Notes": "Agreed with myself."})
                    await grace.complete()
                    await grace.told("Task completed")
                    await grace.shot("8.6-completed")
                minute, second = timedelta(minutes=1), timedelta(seconds=1)
                assert await client.activate_jobs("four-eyes", worker="test", timeout=minute, max_jobs=1, request_timeout=second) == []
                model = ReadModel(log)
                async with asyncio.timeout(60):
                    while True:
                        await model.catch_up()
                        where = {"processInstanceKey": str(started.process_instance_key), "state": "COMPLETED"}
                        tasks = (await model.search_user_tasks(where))["items"]
                        if len(tasks) == 2:
                            break
                        await asyncio.sleep(0.3)
        assert {(one["elementId"], one["assignee"]) for one in tasks} == {("assess-claim", GRACE), ("approve-payment", GRACE)}
        values = {
            one["name"]: one["value"]
            for one in (await model.search_variables({"processInstanceKey": str(started.process_instance_key)}))["items"]
        }
        assert '"amount":24000' in values["decision"].replace(" ", "")
        assert "Agreed with myself." in values["approval"]

        # Nobody stopped her, and it does not go unseen: readiness says so beforehand, the audit of the log afterwards.
        duties = load_project(ROOT).duties
        (problem,) = readiness.values()
        assert re.search(r"Camunda 8\.6\.\d+ asks no task listeners", problem)
        async with TaskStore(":memory:") as store:
            (violation,) = await AuditTrail(duties, log, store).everything()
            assert (violation.user, violation.completed.element_id) == (GRACE, "approve-payment")
            assert "grace.lindqvist already completed 'assess-claim'" in violation.decision.text
            assert [one.kind for one in await store.ledger.facts(violation.completed.key)] == ["duty.violated"]
        facts = [one async for one in log.records(partition=0, value_types={"POLICY_DECISION"})]
        assert [(one.intent, one.key) for one in facts] == [("VIOLATED", violation.completed.key)]
        assert (await verify_log(log)).good
