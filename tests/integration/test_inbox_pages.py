"""The inbox's pages over the real engine: what people see, do, and are told."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.client import Resource
from camunda_workers.inbox.views.advice import JUDGED
from tests.support.inbox_ground import Inbox, eventually, inbox
from tests.support.tasks_ground import person

pytestmark = pytest.mark.engine

PLAIN = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d"
    targetNamespace="http://bpmn.io/schema/bpmn"><bpmn:process id="plain" name="&lt;i&gt;Plain&lt;/i&gt;" isExecutable="true">
  <bpmn:startEvent id="start"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
  <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="look"/>
  <bpmn:userTask id="look" name="&lt;b&gt;Look&lt;/b&gt;"><bpmn:extensionElements><zeebe:userTask/>
    <zeebe:assignmentDefinition candidateGroups="claims-assessors"/></bpmn:extensionElements>
    <bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing></bpmn:userTask>
  <bpmn:sequenceFlow id="b" sourceRef="look" targetRef="end"/><bpmn:endEvent id="end"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
</bpmn:process><bpmn:process id="odd-job" isExecutable="true">
  <bpmn:startEvent id="begin"><bpmn:outgoing>c</bpmn:outgoing></bpmn:startEvent><bpmn:sequenceFlow id="c" sourceRef="begin" targetRef="odd"/>
  <bpmn:serviceTask id="odd"><bpmn:extensionElements><zeebe:taskDefinition type="odd"/></bpmn:extensionElements>
    <bpmn:incoming>c</bpmn:incoming></bpmn:serviceTask>
</bpmn:process></bpmn:definitions>"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Inbox]:
    async with inbox(tmp_path, extra=(Resource("plain.bpmn", PLAIN),)) as running:
        yield running


async def test_a_claim_is_found_claimed_and_assessed(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        queue = await amelia.get("/tasks?scope=team")
        assert f'data-row="{task.key}"' in queue.text
        assert claim_id in queue.text
        assert "Robin Doe" in queue.text
        assert "25,000" in queue.text
        page = await amelia.part(f"/tasks/{task.key}?scope=team")
        assert "It is for your group claims-assessors." in page.text
        assert json.loads(data_of(page.text, "form-data"))["readOnly"] is True
        mine = await amelia.post(f"/tasks/{task.key}/claim?scope=team")
        assert mine.status_code == 200
        assert mine.headers["hx-trigger"] == "changed"
        assert "You have this task" in mine.text
        form = json.loads(data_of(mine.text, "form-data"))
        assert form["readOnly"] is False
        assert form["data"]["claim"]["claim_id"] == claim_id
        entered = {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}}
        done = await amelia.send(f"/tasks/{task.key}/complete", {"variables": entered})
        assert done.json() == {"next": "/tasks", "text": "Task completed."}
        assert "Task completed." in (await amelia.get("/tasks")).text
        assert "Task completed." not in (await amelia.get("/tasks")).text
    assert (await site.ground.task(claim_id, "approve-payment")).assignee is None


async def test_what_does_not_fit_the_form_comes_back_by_field(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        await amelia.post(f"/tasks/{task.key}/claim")
        entered = {"assessment": {"outcome": "approve", "amount": -5, "notes": "plausible"}}
        refused = await amelia.send(f"/tasks/{task.key}/complete", {"variables": entered})
        assert refused.status_code == 422, refused.text
        assert list(refused.json()["problems"]) == ["assessment.amount"]


async def test_who_was_slower_is_told_who_took_it(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
        before = re.search(r'hx-get="(/tasks/\d+/head[^"]*)"', (await ben.part(f"/tasks/{task.key}")).text)
        assert before is not None
        assert (await ben.part(html.unescape(before[1]))).status_code == 204
        await amelia.post(f"/tasks/{task.key}/claim")
        await site.ground.engine.advance(timedelta(minutes=2))
        assert "amelia" in (await ben.part(html.unescape(before[1]))).text.casefold()
        late = await ben.post(f"/tasks/{task.key}/claim")
        assert late.status_code == 409
        assert "Amelia took it 2 minutes ago." in late.text
        refused = await ben.send(f"/tasks/{task.key}/complete", {"variables": {}})
        assert (refused.status_code, refused.json()["reload"]) == (409, True)


async def test_two_at_once_one_wins(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
        answers = await asyncio.gather(*(one.post(f"/tasks/{task.key}/claim") for one in (amelia, ben)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_four_eyes_are_told_as_a_sentence(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.assessed(claim_id, "grace")
    async with await site.signed_in("grace") as grace:
        page = await grace.get(f"/tasks/{task.key}?scope=team")
        assert "You could not complete this task:" in page.text
        denied = await grace.post(f"/tasks/{task.key}/claim")
        assert denied.status_code == 403
        assert "The rules do not let you do this:" in denied.text
        assert "Grace Lindqvist already completed &#39;Assess claim&#39;: somebody else has to decide here" in denied.text
    assert (await site.ground.client.get_user_task(task.key)).assignee is None


async def test_several_are_claimed_at_once_and_the_rest_is_told(site: Inbox) -> None:
    keys = [(await site.ground.task(await site.ground.reported(), "assess-claim")).key for _ in range(3)]
    await site.ground.tasks.claim(person("ben"), keys[1])
    async with await site.signed_in("amelia") as amelia:
        answer = await amelia.post("/tasks/claim", {"keys": [str(key) for key in keys]})
        assert answer.headers["hx-redirect"] == "/tasks"
        mine = (await amelia.get("/tasks")).text
        assert "2 claimed. 1 not: Ben took it" in mine
        assert mine.count("data-row=") == 2


async def test_drafts_come_back_and_two_windows_do_not_overwrite_each_other(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        await amelia.post(f"/tasks/{task.key}/claim")
        entered = {"assessment": {"notes": "half done"}}
        saved = await amelia.send(f"/tasks/{task.key}/draft", {"variables": entered, "revision": 0})
        assert saved.json() == {"revision": 1, "text": "Draft saved."}
        form = json.loads(data_of((await amelia.get(f"/tasks/{task.key}")).text, "form-data"))
        assert form["data"]["assessment"]["notes"] == "half done"
        assert form["data"]["claim"]["claim_id"] == claim_id
        stale = await amelia.send(f"/tasks/{task.key}/draft", {"variables": {}, "revision": 0})
        assert (stale.status_code, stale.json()["outdated"]) == (409, True)


async def test_the_agents_recommendation_is_shown_and_judged_with_a_reason(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        page = (await amelia.get(f"/tasks/{task.key}")).text
        assert "Have it assessed" in page
        assert "90 % sure" in page
        assert (await amelia.post(f"/tasks/{task.key}/advice", {"verdict": "accept"})).status_code == 409
        await amelia.post(f"/tasks/{task.key}/claim")
        assert (await amelia.post(f"/tasks/{task.key}/advice", {"verdict": "override", "reason": "because"})).status_code == 422
        judged = await amelia.post(f"/tasks/{task.key}/advice", {"verdict": "override", "reason": "facts-wrong", "note": "the date"})
        assert "You overrode this a moment ago: The facts are wrong." in judged.text
    (fact,) = await site.ground.tasks.store.ledger.facts(task.key, kind=JUDGED)
    assert fact.actor == "amelia"
    assert fact.data == {
        "verdict": "override",
        "note": "the date",
        "reason": "facts-wrong",
        "route": "assess",
        "confidence": 0.9,
        "strategy": "rules",
        "evidence_id": None,
    }


async def test_filters_stand_in_the_address_and_search_finds_by_what_is_shown(site: Inbox) -> None:
    first, second = await site.ground.reported(), await site.ground.reported(amount=31_000)
    for one in (first, second):
        await site.ground.task(one, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        found = (await amelia.get(f"/tasks?scope=team&sort=newest&q={second}")).text
        assert found.count("data-row=") == 1
        assert f"?scope=team&amp;sort=newest&amp;q={second}" in found
        assert (await amelia.get("/tasks?scope=team&due=overdue")).text.count("data-row=") == 0
        await site.ground.engine.advance(timedelta(hours=50))
        late = (await amelia.get("/tasks?scope=team&due=overdue")).text
        assert late.count("data-row=") == 2
        assert "2 hours overdue" in late or "2 h" in late
        assert (await amelia.get("/tasks?scope=team&element=approve-payment")).text.count("data-row=") == 0
        odd = await amelia.get("/tasks?scope=%3Cscript%3E&sort=nothing&limit=-1&due=x")
        assert odd.status_code == 200


async def test_a_case_is_shown_to_those_who_have_a_part_in_it(site: Inbox) -> None:
    claim_id = await site.ground.reported()
    await site.ground.assessed(claim_id, "amelia")
    async with await site.signed_in("amelia") as amelia, await site.signed_in("zoe") as zoe, await site.signed_in("olga") as olga:
        for one in (amelia, olga):
            page = await one.get(f"/cases/{claim_id}")
            assert page.status_code == 200
            assert "Check policy" in page.text
            assert "Approve payment" in page.text
        diagram = json.loads(data_of((await amelia.get(f"/cases/{claim_id}")).text, "diagram-data"))
        assert diagram["elements"]["assess-claim"]["completed"] == 1
        assert diagram["elements"]["approve-payment"]["active"] == 1
        assert diagram["flows"]
        assert (await zoe.get(f"/cases/{claim_id}")).status_code == 404
        assert (await zoe.get("/cases/CLM-no")).status_code == 404
        assert (await amelia.get(f"/cases?q={claim_id}")).headers["location"] == f"/cases/{claim_id}"
        assert (await amelia.get("/cases?q=robin doe")).headers["location"] == "/tasks?scope=all&q=robin%20doe"


async def test_a_task_of_others_is_refused_in_every_way(site: Inbox) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    async with await site.signed_in("zoe") as zoe:
        assert (await zoe.get(f"/tasks/{task.key}")).status_code == 403
        assert "Robin Doe" not in (await zoe.get(f"/tasks/{task.key}")).text
        assert (await zoe.post(f"/tasks/{task.key}/claim")).status_code == 403
        assert (await zoe.post(f"/tasks/{task.key}/comments", {"text": "hello"})).status_code == 403
        assert (await zoe.post(f"/tasks/{task.key}/advice", {"verdict": "accept"})).status_code == 403
        assert (await zoe.send(f"/tasks/{task.key}/complete", {"variables": {}})).status_code == 403
        assert (await zoe.send(f"/tasks/{task.key}/draft", {"variables": {}, "revision": 0})).status_code == 403
        assert (await zoe.get("/tasks/1")).status_code == 404


async def test_a_task_without_a_form_shows_its_variables_and_nothing_runs_as_script(site: Inbox) -> None:
    evil = "</script><script>alert(1)</script>"
    await site.ground.client.start("plain", {"note": evil, "count": 1})

    async def waiting() -> list[int]:
        return [task.key for task in await site.ground.client.search_user_tasks({"elementId": "look", "state": "CREATED"})]

    (key,) = await eventually(waiting)
    async with await site.signed_in("amelia") as amelia:
        await amelia.post(f"/tasks/{key}/claim")
        await amelia.post(f"/tasks/{key}/comments", {"text": f"@ben {evil}"})
        for path in (f"/tasks/{key}", f"/tasks/{key}?tab=diagram", f"/tasks/{key}?tab=history", "/tasks"):
            page = (await amelia.get(path)).text
            assert "<script>alert" not in page, path
            assert "<b>Look" not in page, path
            assert "<i>Plain" not in page, path
        wrong = await amelia.post(f"/tasks/{key}/complete-plain", {"value:count": "two", "value:note": json.dumps(evil)})
        assert wrong.status_code == 422
        assert "count" in wrong.text
        done = await amelia.post(f"/tasks/{key}/complete-plain", {"value:count": "2", "value:note": json.dumps(evil)})
        assert done.headers["hx-redirect"] == "/tasks"
    assert (await site.ground.client.get_user_task(key)).state == "COMPLETED"


async def test_incidents_are_tried_again_by_operators_only(site: Inbox) -> None:
    client = site.ground.client
    await client.start("odd-job", business_id="CLM-009999")

    async def jobs() -> list[int]:
        found = await client.activate_jobs(
            "odd", worker="odd", max_jobs=1, timeout=timedelta(minutes=1), request_timeout=timedelta(seconds=1)
        )
        return [job.key for job in found]

    (job,) = await eventually(jobs)
    await client.fail_job(job, retries=0, message="the printer is on fire <b>")

    async def incident() -> int:
        found = await client.search_incidents({"state": "ACTIVE"})
        return found[0].incident_key if found else 0

    key = await eventually(incident)
    async with await site.signed_in("amelia") as amelia, await site.signed_in("olga") as olga:
        assert (await amelia.get("/incidents")).status_code == 404
        assert (await amelia.post(f"/incidents/{key}/retry")).status_code == 404
        page = (await olga.get("/incidents")).text
        assert "CLM-009999" in page
        assert "the printer is on fire &lt;b&gt;" in page
        again = await olga.post(f"/incidents/{key}/retry")
        assert "It is tried again." in again.text
        assert "CLM-009999" not in again.text
        assert "There is nothing here" in (await olga.post("/incidents/42/retry")).text
    assert await incident() == 0
    assert await eventually(jobs) == [job]


async def test_browsers_hear_of_changes_and_of_the_end_of_their_session(site: Inbox) -> None:
    async with await site.signed_in("amelia") as amelia:
        async with amelia.http.stream("GET", "/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            await until(lines, "event: hello")
            await site.ground.reported()
            await until(lines, "event: changed")


async def until(lines: object, wanted: str) -> None:
    """Read a stream up to a line."""
    async with asyncio.timeout(10):
        async for line in lines:  # type: ignore[attr-defined]
            if line == wanted:
                return
    raise AssertionError(f"the stream ended before {wanted!r}")


async def test_german(site: Inbox) -> None:
    async with await site.signed_in("amelia") as amelia:
        assert (await amelia.post("/language/de")).headers["hx-refresh"] == "true"
        page = (await amelia.get("/tasks?scope=team")).text
        assert '<html lang="de"' in page
        assert "Auf Ihre Gruppen wartet nichts." in page


def data_of(page: str, name: str) -> str:
    """The JSON that a page hands to a script."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None, page[:2000]
    return found[1]
