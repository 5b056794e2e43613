"""Tasks in other hands, files, links, absences and kept filters, over the inbox."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import zipfile
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from camunda_workers.inbox.parts import Rates
from camunda_workers.tasks.notifications.links import Links
from tests.support.inbox_ground import Browser, Inbox, inbox
from tests.support.tasks_ground import Ground, person

pytestmark = pytest.mark.engine

PDF = b"%PDF-1.7\n% a report\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Inbox]:
    async with inbox(tmp_path) as running:
        yield running


async def _mine(site: Inbox, user: str = "amelia") -> int:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person(user), task.key)
    return task.key


async def _send(browser: Browser, key: int, name: str, kind: str, content: bytes) -> tuple[int, dict[str, object]]:
    headers = {"Content-Type": kind, "X-File-Name": name, "X-CSRF-Token": browser.csrf, "Accept": "application/json"}
    answer = await browser.http.post(f"/tasks/{key}/files", content=content, headers=headers)
    return answer.status_code, answer.json()


async def test_a_task_goes_to_a_colleague_and_comes_back(site: Inbox) -> None:
    key = await _mine(site)
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
        page = await amelia.part(f"/tasks/{key}")
        assert '<option value="ben">Ben</option>' in page.text
        gone = await amelia.post(f"/tasks/{key}/delegate", {"to": "Ben", "note": "You <i>know</i> this garage"})
        assert "Ben is working on this for you" in gone.text
        assert "data-row" in (await amelia.get("/tasks?scope=delegated")).text
        his = await ben.part(f"/tasks/{key}")
        assert "Amelia asks you to work on this." in his.text
        assert "You &lt;i&gt;know&lt;/i&gt; this garage" in his.text
        assert 'data-do="complete"' not in his.text
        sent = await ben.send(f"/tasks/{key}/complete", {"variables": {}})
        assert sent.status_code == 409
        back = await ben.post(f"/tasks/{key}/resolve", {"note": "Plausible"})
        assert "The task was handed back." in back.text
        assert "You have this task" in (await amelia.part(f"/tasks/{key}")).text
        assert "Plausible" in (await amelia.part(f"/tasks/{key}")).text


async def test_rules_hold_for_whoever_is_given_a_task(site: Inbox) -> None:
    task = await site.ground.assessed(await site.ground.reported(), "grace")
    await site.ground.tasks.claim(person("dmitri"), task.key)
    async with await site.signed_in("dmitri") as dmitri, await site.signed_in("lea") as lea, await site.signed_in("zoe") as zoe:
        for way in ("delegate", "assign"):
            refused = await dmitri.post(f"/tasks/{task.key}/{way}", {"to": "grace", "seen": "dmitri"})
            assert refused.status_code == 403, way
            assert "The rules do not let you do this:" in refused.text
        # Her other account is the same person.
        refused = await dmitri.post(f"/tasks/{task.key}/assign", {"to": "grace.admin", "seen": "dmitri"})
        assert refused.status_code == 403
        for way in ("delegate", "resolve", "assign", "take-over", "escalate"):
            assert (await zoe.post(f"/tasks/{task.key}/{way}", {"to": "zoe", "reason": "x", "seen": "dmitri"})).status_code in (403, 409), (
                way
            )
        stale = await lea.post(f"/tasks/{task.key}/assign", {"to": "emma", "seen": ""})
        assert stale.status_code == 409
        done = await lea.post(f"/tasks/{task.key}/assign", {"to": "emma", "seen": "dmitri"})
        assert "Emma has the task now." in done.text
    assert (await site.ground.client.get_user_task(task.key)).assignee == "emma"


async def test_calling_for_help_needs_a_reason(site: Inbox) -> None:
    key = await _mine(site)
    async with await site.signed_in("amelia") as amelia:
        assert (await amelia.post(f"/tasks/{key}/escalate", {"reason": " "})).status_code == 422
        done = await amelia.post(f"/tasks/{key}/escalate", {"reason": "The claimant threatens"})
        assert "The task was escalated." in done.text
        assert "The claimant threatens" in done.text
    task = await site.ground.client.get_user_task(key)
    assert task.priority == 90
    assert "claims-leads" in task.candidate_groups


async def test_whoever_stands_in_takes_over(site: Inbox) -> None:
    key = await _mine(site)
    now = site.ground.engine.clock.now()
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
        days = {"start": f"{now:%Y-%m-%d}", "end": f"{now + timedelta(days=5):%Y-%m-%d}", "zone": "Europe/Berlin", "note": "Holiday"}
        for wrong in ({"end": "2020-01-01"}, {"start": "soon"}, {"substitute": "amelia"}, {"end": f"{now + timedelta(days=400):%Y-%m-%d}"}):
            assert (await amelia.post("/absences", {"substitute": "ben", **days, **wrong})).status_code == 422, wrong
        assert (await amelia.post("/absences", {"person": "grace", "substitute": "ben", **days})).status_code == 403
        entered = await amelia.post("/absences", {"substitute": "Ben", **days})
        assert "The absence is entered." in entered.text
        number = re.search(r"/absences/(\d+)/end", entered.text)
        assert number is not None
        queue = await ben.get("/tasks?scope=standing-in")
        assert f'data-row="{key}"' in queue.text
        page = await ben.part(f"/tasks/{key}")
        assert "Amelia is away, and you stand in." in page.text
        taken = await ben.post(f"/tasks/{key}/take-over")
        assert "The task is yours now." in taken.text
        assert (await ben.post(f"/absences/{number[1]}/end")).status_code == 403
        assert "Welcome back" in (await amelia.post(f"/absences/{number[1]}/end")).text


async def test_files_are_what_they_say_and_are_only_saved_never_opened(site: Inbox) -> None:
    key = await _mine(site)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 30_000_000)
    async with await site.signed_in("amelia") as amelia, await site.signed_in("zoe") as zoe:
        name = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%E2%80%AEfdp.pdf"
        status, answer = await _send(amelia, key, name, "application/pdf", PDF)
        assert status == 201, answer
        for wrong, kind, content in (
            ("a.pdf", "application/pdf", b"<html><script>alert(1)</script>"),
            ("a.html", "text/html", b"<html>"),
            ("a.svg", "image/svg+xml", b"<svg onload='alert(1)'/>"),
            ("a.exe", "application/pdf", PDF),
            ("bomb.zip", "application/zip", bomb.getvalue()),
            ("a.pdf", "multipart/form-data; boundary=x", PDF),
            ("a.pdf", "application/pdf", b""),
        ):
            status, answer = await _send(amelia, key, wrong, kind, content)
            assert status == 422, (wrong, kind)
            assert answer["text"]
        page = await amelia.part(f"/tasks/{key}")
        assert "&lt;img src=x onerror=alert(1)&gt;fdp.pdf" in page.text
        assert "<img src=x" not in page.text
        where = re.search(rf'href="(/tasks/{key}/files/[^"]+)"', page.text)
        assert where is not None
        got = await amelia.get(where[1])
        assert got.content == PDF
        assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%3Cimg")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in got.headers["content-security-policy"]
        assert (await zoe.get(where[1])).status_code == 403
        assert (await zoe.get(f"/tasks/{key}/files")).status_code == 403
        other = await _mine(site)
        assert (await amelia.get(where[1].replace(str(key), str(other)))).status_code == 404
        assert (await _send(zoe, key, "a.pdf", "application/pdf", PDF))[0] == 403
        case = (await site.ground.tasks.show(person("amelia"), key)).business_id
        listed = await amelia.get(f"/cases/{case}")
        in_case = re.search(rf'href="(/cases/{case}/files/[^"]+)"', listed.text)
        assert in_case is not None
        assert (await amelia.get(in_case[1])).content == PDF
        assert (await zoe.get(in_case[1])).status_code == 404
    assert len(await site.parts.tasks.store.attachments.of(key)) == 1


async def test_a_hundred_megabytes_are_refused_before_they_are_read(site: Inbox) -> None:
    key = await _mine(site)
    async with await site.signed_in("amelia") as amelia:
        read = 0

        async def endless() -> AsyncGenerator[bytes]:
            nonlocal read
            yield PDF
            while read < 100_000_000:
                read += 1_000_000
                yield b"x" * 1_000_000

        headers = {"Content-Type": "application/pdf", "X-File-Name": "a.pdf", "X-CSRF-Token": amelia.csrf}
        # The server answers, or hangs up on whoever goes on sending.
        with contextlib.suppress(httpx.TransportError):
            answer = await amelia.http.post(f"/tasks/{key}/files", content=endless(), headers=headers)
            assert answer.status_code in (413, 422)
        assert read < 100_000_000
        # Whoever says beforehand how much it is, is answered before anything of it is sent.
        address = urlsplit(site.address)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = [f"POST /tasks/{key}/files HTTP/1.1", f"Host: {address.netloc}", "Content-Length: 100000000"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Cookie: inbox_session={amelia.http.cookies['inbox_session']}", "", ""]
        writer.write("\r\n".join(lines).encode())
        assert b" 413 " in await reader.readline()
        writer.close()
    assert await site.parts.tasks.store.attachments.of(key) == []


async def test_a_filter_is_kept_under_a_name(site: Inbox) -> None:
    await _mine(site)
    async with await site.signed_in("amelia") as amelia:
        headers = {"HX-Request": "true", "X-CSRF-Token": amelia.csrf, "HX-Current-URL": f"{site.address}/tasks?scope=team&due=overdue"}
        kept = await amelia.http.post("/filters", data={"name": "Late <b>"}, headers=headers)
        assert kept.headers["hx-redirect"] == "/tasks?scope=team&due=overdue"
        page = (await amelia.get("/tasks")).text
        assert "Late &lt;b&gt;" in page
        assert "due=overdue" in page
        async with await site.signed_in("ben") as ben:
            assert "Late &lt;b&gt;" not in (await ben.get("/tasks")).text
        await amelia.post("/filters/forget", {"name": "Late <b>"})
        assert "Late &lt;b&gt;" not in (await amelia.get("/tasks")).text


async def test_links_open_a_page_that_changes_nothing_and_work_once_for_one_person(tmp_path: Path) -> None:
    def made(ground: Ground) -> Links:
        return Links(ground.tasks.store.database, [b"k" * 32], ground.tasks.desk.people)

    async with inbox(tmp_path, links=made) as site:
        links = site.parts.links
        assert links is not None
        now = site.ground.engine.clock.now()
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        token = await links.issue(task.key, "amelia", now, purpose="claim")
        old = await links.issue(task.key, "amelia", now - timedelta(days=9), purpose="claim")
        async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
            for _ in range(2):
                page = await amelia.get(f"/l/{token}")
                assert page.status_code == 200
                assert "Claim this task?" in page.text
            assert (await site.ground.client.get_user_task(task.key)).assignee is None
            assert (await ben.get(f"/l/{token}")).status_code == 403
            assert (await ben.post(f"/l/{token}")).status_code == 403
            assert (await amelia.get(f"/l/{old}")).status_code == 410
            assert (await amelia.get("/l/v1.e30.x")).status_code == 403
            used = await amelia.post(f"/l/{token}")
            assert used.headers["hx-redirect"] == f"/tasks/{task.key}"
            assert (await amelia.post(f"/l/{token}")).status_code == 410
        assert (await site.ground.client.get_user_task(task.key)).assignee == "amelia"
        async with site.browser() as nobody:
            asked = await nobody.get(f"/l/{token}")
            assert asked.headers["location"].startswith("/sign-in?to=/l/")


async def test_whoever_asks_for_too_much_waits(tmp_path: Path) -> None:
    async with (
        inbox(tmp_path, rates=Rates(looks=20, changes=3)) as site,
        await site.signed_in("amelia") as amelia,
        await site.signed_in("ben") as ben,
    ):
        answers = [(await amelia.post("/language/en")).status_code for _ in range(5)]
        assert answers == [204, 204, 204, 429, 429]
        assert (await ben.post("/language/en")).status_code == 204
        # Signing in once more gives nobody more of it.
        async with await site.signed_in("amelia") as again:
            assert (await again.post("/language/en")).status_code == 429
        pages = [await amelia.get("/absences") for _ in range(25)]
        assert pages[-1].status_code == 429
        assert int(pages[-1].headers["retry-after"]) > 0
