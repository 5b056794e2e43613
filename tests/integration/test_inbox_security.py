"""Who gets into the inbox, and what is refused at its door."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from camunda_workers.inbox.sessions import IDLE, LONGEST, MOST_EACH, Attempts, Sessions
from camunda_workers.inbox.users import Person
from tests.support.inbox_ground import PASSWORD, Inbox, eventually, inbox

pytestmark = pytest.mark.engine


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Inbox]:
    async with inbox(tmp_path) as running:
        yield running


async def test_nobody_gets_in_without_signing_in(site: Inbox) -> None:
    async with site.browser() as browser:
        for path in ("/tasks", "/tasks/1", "/cases/CLM-1", "/incidents", "/list"):
            answer = await browser.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?to=")
        part = await browser.part("/list")
        assert part.status_code == 401
        assert part.headers["x-sign-in"].startswith("/sign-in")
        assert (await browser.get("/live")).status_code == 401
        assert (await browser.post("/tasks/1/claim")).status_code == 401
        assert (await browser.get("/sign-in", Host="evil.example")).status_code == 400


async def test_signing_in(site: Inbox) -> None:
    async with site.browser() as browser:
        wrong = await browser.sign_in("amelia", "guess")
        assert wrong.status_code == 401
        assert "do not belong together" in wrong.text
        forged = await browser.sign_in("amelia", token="0" * 64)
        assert forged.status_code == 403
        answer = await browser.sign_in("AMELIA ", to="https://evil.example/tasks")
        assert answer.headers["location"] == "/tasks"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get("/tasks")).status_code == 200
        for to in ("//evil.example", "/\\evil.example", "javascript:alert(1)"):
            again = await browser.get(f"/sign-in?to={to}")
            assert again.headers["location"] == "/tasks"
        old = browser.http.cookies["inbox_session"]
        await browser.post("/sign-out")
        browser.http.cookies.set("inbox_session", old)
        assert (await browser.get("/tasks")).status_code == 303


async def test_guessing_is_slowed_down(site: Inbox) -> None:
    async with site.browser() as browser:
        answers = [(await browser.sign_in("amelia", f"guess {number}")).status_code for number in range(7)]
        assert answers == [401] * 5 + [429] * 2
        late = await browser.sign_in("amelia")
        assert late.status_code == 429
        assert int(late.headers["retry-after"]) > 0


async def test_every_answer_has_the_headers_that_keep_scripts_out(site: Inbox) -> None:
    async with await site.signed_in("amelia") as amelia:
        for path in ("/tasks", "/sign-in", "/tasks/1", "/healthz", "/nothing"):
            headers = (await amelia.get(path)).headers
            assert "unsafe" not in headers["content-security-policy"]
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
        page = (await amelia.get("/tasks")).text
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page


async def test_a_change_must_be_meant(site: Inbox) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    path = f"/tasks/{task.key}/claim"
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben:
        assert (await amelia.http.post(path)).status_code == 403
        assert (await amelia.http.post(path, headers={"X-CSRF-Token": ben.csrf})).status_code == 403
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert (await amelia.http.post(path, headers={**headers, "X-CSRF-Token": amelia.csrf})).status_code == 403
        assert (await amelia.get(path)).status_code == 405
        assert (await site.ground.client.get_user_task(task.key)).assignee is None
        right = {"Origin": site.address, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": amelia.csrf}
        assert (await amelia.http.post(path, headers=right)).status_code == 200


async def test_bodies_that_are_not_what_they_should_be(site: Inbox) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        await amelia.post(f"/tasks/{task.key}/claim")
        path = f"/tasks/{task.key}/complete"
        json_type, csrf = {"Accept": "application/json"}, {"X-CSRF-Token": amelia.csrf}
        for body, kind in (
            (b'{"variables": {}}', "multipart/form-data; boundary=x"),
            (b'{"variables": {}}', "text/plain"),
            (b"{", "application/json"),
            (b"[]", "application/json"),
            (b'{"variables": []}', "application/json"),
            (b'{"variables": {"a": NaN}}', "application/json"),
            (b"[" * 100_000, "application/json"),
        ):
            answer = await amelia.http.post(path, content=body, headers={**json_type, **csrf, "Content-Type": kind})
            assert answer.status_code == 422, (body[:40], kind)
        large = await amelia.http.post(path, content=b"x" * 1_000_001, headers={**csrf, "Content-Type": "application/json"})
        assert large.status_code == 413
        assert (await site.ground.client.get_user_task(task.key)).state == "CREATED"


async def test_a_second_click_completes_nothing_twice(site: Inbox) -> None:
    claim = await site.ground.reported()
    task = await site.ground.task(claim, "assess-claim")
    async with await site.signed_in("amelia") as amelia:
        await amelia.post(f"/tasks/{task.key}/claim")
        body = {"variables": {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}}}
        answers = await asyncio.gather(*(amelia.send(f"/tasks/{task.key}/complete", body) for _ in range(3)))
        assert sorted(one.status_code for one in answers) == [200, 409, 409]
        await site.ground.task(claim, "approve-payment")
        found = await site.ground.client.search_user_tasks({"elementId": "approve-payment"})
        assert len(found) == 1


async def test_behind_tls_everything_demands_it(tmp_path: Path) -> None:
    async with inbox(tmp_path, secure=True) as site, site.browser() as browser:
        page = await browser.get("/sign-in")
        assert page.headers["strict-transport-security"].startswith("max-age=")
        before = page.headers["set-cookie"]
        assert "Secure" in before
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token is not None
        answer = await browser.http.post(
            "/sign-in",
            data={"user": "amelia", "password": PASSWORD, "token": token[1], "to": "/tasks"},
            headers={"Cookie": before.split(";")[0]},
        )
        session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("inbox_session="))
        for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
            assert flag in session, flag


async def test_ready_while_the_rules_are_enforced_and_not_when_nobody_does(tmp_path: Path) -> None:
    async with inbox(tmp_path, patience=2.0) as site:
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        async with site.browser() as nobody, await site.signed_in("amelia") as amelia:
            answer = await nobody.get("/readyz")
            assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})
            await amelia.post(f"/tasks/{task.key}/claim")
            await site.ground.runner.stop()

            async def refused() -> httpx.Response | None:
                # What was asked a moment ago is remembered for a moment.
                late = await nobody.get("/readyz")
                return late if late.status_code == 503 else None

            late = await eventually(refused)
            assert late.json()["ready"] is False
            assert "no worker for this listener is running" in late.json()["problems"]["duties listener 'four-eyes'"]
            body = {"variables": {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}}}
            sent = await amelia.send(f"/tasks/{task.key}/complete", body)
            assert sent.status_code == 503
            assert "listeners" in sent.json()["text"]
        assert (await site.ground.client.get_user_task(task.key)).state != "COMPLETED"
        assert await site.ground.client.search_user_tasks({"elementId": "approve-payment"}) == []


def test_sessions_end() -> None:
    now = 0.0
    sessions = Sessions(now=lambda: now)
    token, _ = sessions.begin(Person("ada", "Ada", frozenset()))
    assert sessions.get(token) is not None
    now = IDLE - 1
    assert sessions.get(token, looks=False) is not None
    now = IDLE + 1
    assert sessions.get(token) is None
    token, _ = sessions.begin(Person("ada", "Ada", frozenset()))
    while now < IDLE + 1 + LONGEST:
        assert sessions.get(token) is not None
        now += IDLE / 2
    now += 1
    assert sessions.get(token) is None
    assert sessions.get("something") is None
    assert sessions.get(None) is None


def test_nobody_signs_everybody_else_out() -> None:
    sessions = Sessions()
    ada, _ = sessions.begin(Person("ada", "Ada", frozenset()))
    tokens = [sessions.begin(Person(name, "Bob", frozenset()))[0] for name in ["bob", "BOB ", "b\u200bob"] * MOST_EACH]
    assert sessions.get(ada) is not None
    assert sum(sessions.get(token) is not None for token in tokens) == MOST_EACH


def test_attempts_come_back_with_time() -> None:
    now = 0.0
    attempts = Attempts(burst=2, each=10, now=lambda: now)
    assert [attempts.take("a"), attempts.take("a")] == [0, 0]
    assert attempts.take("a") == pytest.approx(10)
    assert attempts.take("b") == 0
    now = 11
    assert attempts.take("a") == 0
