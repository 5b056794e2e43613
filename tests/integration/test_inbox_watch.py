"""Who looks at sensitive cases, how processes run, and tenants."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.events import ReadModel
from camunda_workers.inbox.audit import VIEWED
from camunda_workers.inbox.numbers import Numbers, shades
from camunda_workers.inbox.users import DevelopmentUsers, Person
from camunda_workers.inbox.views.advice import advice
from camunda_workers.inbox.words import Words
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks.notifications.mail import MailServer, compose
from camunda_workers.tasks.sensitive import mark_of
from tests.support.inbox_ground import PASSWORD, SECTION, eventually, inbox
from tests.support.tasks_ground import ASSESSORS, Ground, person
from tests.support.tasks_ground import claim as reported

MARKED = SECTION.model_copy(update={"auditors": ("claims-audit",), "sensitive": ("claim/approve-payment",)})


def test_what_marks_a_case() -> None:
    section = InboxSection.model_validate(
        {"sensitive": ["hr", "claim/approve", "form:secret"], "processes": {"claim": {"sensitive_when": {"claim.vip": [True, "very"]}}}}
    )
    assert mark_of(section, "hr", {}) == "hr"
    assert mark_of(section, "claim", {}, elements=["assess"]) is None
    assert mark_of(section, "claim", {}, elements=["assess", "approve"]) == "claim/approve"
    assert mark_of(section, "claim", {}, form_id="secret") == "form:secret"
    assert mark_of(section, "claim", {"claim": {"vip": True}}) == "claim.vip"
    assert mark_of(section, "claim", {"claim": {"vip": "very"}}) == "claim.vip"
    assert mark_of(section, "claim", {"claim": {"vip": 1}}) is None
    assert mark_of(section, "other", {"claim": {"vip": True}}) is None


@pytest.mark.engine
async def test_every_look_at_a_sensitive_case_is_written_down_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = [Person("dmitri", "Dmitri", frozenset({"claims-approvers"})), Person("ada", "Ada", frozenset({"claims-audit"})),
             Person("amelia", "Amelia", frozenset({ASSESSORS}))]  # fmt: skip
    async with inbox(tmp_path, section=MARKED, users=DevelopmentUsers(users, PASSWORD)) as site:
        claim = await site.ground.reported()
        first = await site.ground.task(claim, "assess-claim")
        async with await site.signed_in("dmitri") as dmitri, await site.signed_in("ada") as ada, await site.signed_in("amelia") as amelia:
            await amelia.get(f"/tasks/{first.key}")
            assert await site.parts.tasks.store.ledger.facts(first.key, kind=VIEWED) == []
            task = await site.ground.assessed(claim, "ben")
            listed = await dmitri.get("/tasks?scope=team")
            assert f'data-row="{task.key}"' in listed.text
            assert "Robin Doe" not in listed.text
            assert "protected" in listed.text
            page = await dmitri.get(f"/tasks/{task.key}")
            assert "That you look at this case is written down." in html.unescape(page.text)
            await dmitri.part(f"/tasks/{task.key}?tab=history")
            await dmitri.get(f"/cases/{claim}")
            looks = await site.parts.tasks.store.ledger.facts(task.key, kind=VIEWED)
            assert [(one.actor, one.data["what"], one.data["about"], one.business_id) for one in looks] == [
                ("dmitri", "task", "form", claim),
                ("dmitri", "task", "history", claim),
            ]
            seen = await ada.get(f"/audit?case={claim}")
            assert seen.text.count("claim/approve-payment") == 3
            assert "Nobody has looked" in (await ada.get("/audit?who=grace")).text
            assert (await dmitri.get("/audit")).status_code == 404

            async def broken(fact: Any) -> None:
                raise ReadModelError("the disk is full")

            monkeypatch.setattr(site.parts.tasks.desk, "record", broken)
            refused = await dmitri.get(f"/tasks/{task.key}")
            assert refused.status_code >= 500
            assert "Robin Doe" not in refused.text
            assert (await dmitri.get(f"/cases/{claim}")).status_code >= 500


@pytest.mark.engine
@pytest.mark.parametrize(
    "marked",
    [
        {"sensitive": ("form:claims.assess-claim",)},
        {"sensitive": ("claim",)},
        {"sensitive": ("claim/assess-claim",)},
        {"processes": {"claim": SECTION.processes["claim"].model_copy(update={"sensitive_when": {"claim.police_report": "YES"}})}},
    ],
    ids=["form", "process", "task", "variable"],
)
async def test_whatever_marks_a_case_hides_it_everywhere(tmp_path: Path, marked: dict[str, Any]) -> None:
    section = SECTION.model_copy(update=marked)
    async with inbox(tmp_path, section=section) as site:
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        async with await site.signed_in("amelia") as amelia:
            for path in ("/tasks?scope=team", "/list?scope=team", "/list?scope=all&q=assess"):
                listed = (await amelia.get(path)).text
                assert f'data-row="{task.key}"' in listed, path
                assert "Robin Doe" not in listed, path
                assert "25,000" not in listed, path
            # Who finds a case by its title knows the title.
            assert f'data-row="{task.key}"' not in (await amelia.get("/list?scope=all&q=robin")).text
            assert await site.parts.tasks.store.ledger.facts(task.key, kind=VIEWED) == []
            assert "Robin Doe" in (await amelia.get(f"/tasks/{task.key}")).text
            assert len(await site.parts.tasks.store.ledger.facts(task.key, kind=VIEWED)) == 1
        tasks = site.ground.tasks
        await tasks.claim(person("amelia"), task.key)
        await tasks.delegate(person("amelia"), task.key, "ben", note="Robin Doe is a friend of the minister")
        [notice] = await tasks.outbox.take(site.ground.engine.clock.now())
        assert "Robin" not in str(notice.data)
        server = MailServer("127.0.0.1", sender="inbox@office.example", tls="none")
        text = compose(notice, "ben@office.example", server, link="http://x", project="claims").as_string()
        assert "The case is protected" in text


@pytest.mark.engine
async def test_a_case_that_nothing_marks_is_shown_and_found(tmp_path: Path) -> None:
    section = SECTION.model_copy(update={"sensitive": ("form:another",)})
    async with inbox(tmp_path, section=section) as site, await site.signed_in("amelia") as amelia:
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        found = (await amelia.get("/list?scope=all&q=robin%20ASSESS")).text
        assert f'data-row="{task.key}"' in found
        assert "Robin Doe" in found
        assert f'data-row="{task.key}"' not in (await amelia.get("/list?scope=all&q=robina")).text
        async with await site.signed_in("zoe") as zoe:
            assert f'data-row="{task.key}"' not in (await zoe.get("/list?scope=all&q=robin")).text


@pytest.mark.engine
async def test_there_is_no_way_to_look_that_is_not_written_down(tmp_path: Path) -> None:
    section = MARKED.model_copy(update={"sensitive": ("form:claims.approve-payment",), "operators": ("claims-audit",)})
    users = [Person("dmitri", "Dmitri", frozenset({"claims-approvers"})), Person("ada", "Ada", frozenset({"claims-audit"})),
             Person("nina", "Nina", frozenset({"claims-audit"}), frozenset({"north"}))]  # fmt: skip
    async with inbox(tmp_path, section=section, users=DevelopmentUsers(users, PASSWORD)) as site:
        claim = await site.ground.reported()
        task = await site.ground.assessed(claim, "ben")
        file = await site.ground.tasks.attach(person("dmitri"), task.key, "a.txt", "text/plain", _text())
        ledger, seen = site.parts.tasks.store.ledger, 0

        async def looks() -> int:
            async with await site.signed_in("ada") as ada:
                return (await ada.get("/audit")).text.count("form:claims.approve-payment")

        for path in (
            f"/tasks/{task.key}",
            f"/tasks/{task.key}?tab=diagram",
            f"/tasks/{task.key}/now",
            f"/tasks/{task.key}/files",
            f"/tasks/{task.key}/files/{file.id}",
            f"/cases/{claim}",
            f"/cases/{claim}/story",
            f"/cases/{claim}/now",
            f"/cases/{claim}/files/{file.id}",
        ):
            # A new session each time: what an open page asks for again is one look.
            async with await site.signed_in("dmitri") as dmitri:
                assert (await dmitri.get(path)).status_code == 200, path
                assert await looks() == seen + 1, path
                seen += 1
                if path.endswith(("/now", "/story")):
                    await dmitri.get(path)
                    assert await looks() == seen, path
        async with await site.signed_in("nina") as nina:
            other = await nina.get("/audit")
            assert other.status_code == 200
            assert claim not in other.text
        assert len(await ledger.facts(task.key, kind=VIEWED)) >= 5


@pytest.mark.engine
async def test_a_case_of_the_same_name_is_another_tenants_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def users(ground: Ground) -> DevelopmentUsers:
        groups = frozenset({ASSESSORS, "claims-operations"})
        return DevelopmentUsers([Person("nina", "Nina", groups, frozenset({"<default>"}))], PASSWORD)

    async with inbox(tmp_path, users=users) as site:
        client, theirs = site.ground.client, set[int]()
        whole = ReadModel.get_process_instance

        async def of_tenants(model: ReadModel, key: Any) -> Any:
            return {**await whole(model, key), **({"tenantId": "south"} if int(key) in theirs else {})}

        # The engine here has one tenant: whose the second case is says the read model.
        monkeypatch.setattr(ReadModel, "get_process_instance", of_tenants)
        files: list[str] = []
        for name in ("Southern Secret", "Northern Own"):
            given = {**reported("CLM-7"), "claimant": {"name": name, "email": "x@example.org"}}
            started = await client.start("claim", {"claim": given}, business_id="CLM-7")
            if name == "Southern Secret":
                theirs.add(started.process_instance_key)

            async def opened(instance: int = started.process_instance_key) -> Any:
                return list(await client.search_user_tasks({"processInstanceKey": instance, "state": "CREATED"}))

            (task,) = await eventually(opened)
            files.append((await site.ground.tasks.attach(person("lea"), task.key, f"{name}.txt", "text/plain", _text())).id)
            await site.ground.tasks.comment(person("lea"), task.key, name)
        async with await site.signed_in("nina") as nina:
            for path in ("/cases/CLM-7", "/cases/CLM-7/story", f"/tasks/{task.key}?tab=history"):
                page = await nina.get(path)
                assert page.status_code == 200, path
                assert "Southern" not in page.text, path
                assert str(min(theirs)) not in page.text, path
            assert "Northern Own.txt" in (await nina.get("/cases/CLM-7")).text
            assert [(await nina.get(f"/cases/CLM-7/files/{one}")).status_code for one in files] == [404, 200]
            assert (await nina.get("/cases/CLM-7/now")).status_code == 200


@pytest.mark.engine
async def test_how_a_process_runs_is_shown_to_operators(tmp_path: Path) -> None:
    async with inbox(tmp_path) as site:
        for number in range(3):
            claim = await site.ground.reported()
            await site.ground.task(claim, "assess-claim")
            await site.ground.engine.advance(timedelta(minutes=10 * (number + 1)))
            await site.ground.assessed(claim, "ben")
        waiting = await site.ground.task(await site.ground.reported(), "assess-claim")
        key = waiting.process_definition_key
        async with await site.signed_in("olga") as olga, await site.signed_in("amelia") as amelia:
            for path in ("/processes", f"/processes/{key}", f"/processes/{key}/now"):
                assert (await amelia.get(path)).status_code == 404
            assert f'href="/processes/{key}"' in (await olga.get("/processes")).text
            assert (await olga.get("/processes/1")).status_code == 404
            page = await olga.get(f"/processes/{key}?heat=long&days=1")
            data = json.loads(_data(page.text))
            assert data["elements"]["assess-claim"] == {"active": 1, "completed": 3, "incidents": 0, "heat": 5, "label": "20 min"}
            assert data["elements"]["check-policy"]["label"] == ""
            row = re.search(r"Assess claim</td>.*?</tr>", page.text, re.DOTALL)
            assert row is not None
            assert re.findall(r"<td[^>]*>([^<]*)", row[0]) == ["3", "20 min", "30 min", "1", "–"]
            often = (await olga.get(f"/processes/{key}/now?heat=often")).json()
            assert often["elements"]["check-policy"]["label"] == "4×"
            assert "xml" not in often


def test_shades_are_parts_of_the_way_to_the_hottest() -> None:
    def one(name: str, done: int, kind: str = "SERVICE_TASK") -> Numbers:
        return Numbers(name, kind, done, 0, 0, None, None)

    found = [one("a", 100), one("b", 20), one("c", 21), one("d", 1), one("e", 0), one("all", 500, "PROCESS")]
    assert shades(found, "often") == {"a": 5, "b": 1, "c": 2, "d": 1}
    assert shades([], "often") == {}
    assert shades(found, "long") == {}


@pytest.mark.engine
async def test_another_tenants_task_is_not_there(tmp_path: Path) -> None:
    def users(ground: Ground) -> DevelopmentUsers:
        groups = frozenset({ASSESSORS, "claims-operations", "claims-leads"})
        return DevelopmentUsers([Person("nina", "Nina", groups, frozenset({"north"}))], PASSWORD)

    async with inbox(tmp_path, users=users) as site:
        claim = await site.ground.reported()
        task = await site.ground.task(claim, "assess-claim")
        shown = await site.ground.tasks.attach(person("lea"), task.key, "a.txt", "text/plain", _text())
        async with await site.signed_in("nina") as nina:
            for path in (
                f"/tasks/{task.key}",
                f"/tasks/{task.key}/files",
                f"/tasks/{task.key}/files/{shown.id}",
                f"/tasks/{task.key}/now",
                f"/cases/{claim}",
                f"/cases/{claim}/now",
                f"/cases/{claim}/story",
                f"/cases/{claim}/files/{shown.id}",
                f"/processes/{task.process_definition_key}",
            ):
                answer = await nina.get(path)
                assert answer.status_code == 404, path
                assert "Robin" not in answer.text
            for way in ("claim", "delegate", "assign", "escalate", "comments", "take-over"):
                assert (await nina.post(f"/tasks/{task.key}/{way}", {"to": "nina", "reason": "x", "text": "x"})).status_code == 404, way
            assert (await nina.send(f"/tasks/{task.key}/complete", {"variables": {}})).status_code == 404
            assert f'data-row="{task.key}"' not in (await nina.get("/tasks?scope=all")).text
            assert "Motor claim" not in (await nina.get("/processes")).text


def test_the_agents_reasons_are_shown_as_far_as_it_gives_them() -> None:
    words = Words()
    given = {
        "claim": {"total_amount": 900, "vip": False},
        "triage": {
            "suggested_route": "assess",
            "confidence": 0.61,
            "cited_fields": ["total_amount"],
            "citations": ["CLM-1", {"quote": "brakes failed", "document": "report.pdf", "page": 3}, 7],
            "would_change": ["A police report", {"path": "claim.total_amount", "to": 500, "route": "straight_through"}],
        },
    }
    found = advice(given, "triage", lambda key, **values: words.say("en", key, **values))
    assert found is not None
    assert found.similar == ["CLM-1"]
    assert [(one.text, one.document, one.page, one.file) for one in found.quotes] == [("brakes failed", "report.pdf", 3, "")]
    assert [one.text for one in found.would_change] == [
        "A police report",
        "If “Total amount” were 500 instead of 900: Pay straight through",
    ]


async def _text() -> AsyncGenerator[bytes]:
    yield b"hello"


def _data(page: str) -> str:
    found = re.search(r'<script type="application/json" id="diagram-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]
