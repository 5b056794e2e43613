"""The inbox in a real Chromium: what caseworkers do all day, on the real engine."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import FilePayload, Route, expect

from tests.browser.conftest import Open, form_of, shot, weighed
from tests.support.inbox_ground import Inbox
from tests.support.tasks_ground import person

pytestmark = [pytest.mark.engine, pytest.mark.browser]


async def test_a_claim_is_assessed_by_keyboard_alone(site: Inbox, sign_in: Open) -> None:
    claim_id = await site.ground.reported()
    await site.ground.task(claim_id, "assess-claim")
    page = await sign_in("amelia")
    keys = page.keyboard
    await keys.press("2")
    await page.wait_for_url("**scope=team")
    await keys.press("j")
    await keys.press("Enter")
    await form_of(page)
    await keys.press("c")
    await expect(page.locator("#assignment")).to_contain_text("You have this task")
    await form_of(page)
    await keys.press("f")
    await keys.press("Space")
    await keys.press("Tab")
    await keys.type("24000")
    await keys.press("Control+Enter")
    # The notes are missing: the form says so, and puts the cursor there.
    await expect(page.locator("#form-status")).to_have_text("Please correct the marked fields.")
    await expect(page.get_by_label("Notes")).to_be_focused()
    await keys.type("Plausible: the photographs fit.")
    await keys.press("Control+Enter")
    await expect(page.get_by_text("Task completed.")).to_be_visible()
    approval = await site.ground.task(claim_id, "approve-payment")
    seen = await site.ground.tasks.show(person("emma"), approval.key)
    assert seen.variables["decision"]["amount"] == 24_000
    assert seen.variables["decision"]["notes"].startswith("Plausible")


async def test_what_only_the_server_finds_wrong_stands_beside_the_field(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia", f"/tasks/{task.key}")
    await form_of(page)

    async def tampered(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        body["variables"]["assessment"]["notes"] = ""
        await route.continue_(post_data=json.dumps(body))

    await page.route("**/complete", tampered)
    await page.get_by_label("Decline").check()
    await page.get_by_label("Notes").fill("No.")
    await page.get_by_role("button", name="Complete").click()
    await expect(page.locator("#form-status")).to_contain_text("Some entries do not fit.")
    field = page.locator(".fjs-form-field", has=page.get_by_label("Notes")).last
    await expect(field.locator(".fjs-form-field-error")).to_be_visible()
    await page.unroute("**/complete")
    await page.get_by_label("Notes").fill("Not covered.")
    await page.get_by_role("button", name="Complete").click()
    await expect(page.get_by_text("Task completed.")).to_be_visible()


async def test_drafts_are_saved_while_typing_and_come_back(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia", f"/tasks/{task.key}")
    await form_of(page)
    await page.get_by_label("Notes").fill("Half a thought")
    await expect(page.locator("#form-status")).to_have_text("Draft saved.")
    await page.reload()
    await form_of(page)
    await expect(page.get_by_label("Notes")).to_have_value("Half a thought")


async def test_two_people_one_task(site: Inbox, sign_in: Open) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    amelia, ben = await sign_in("amelia", f"/tasks/{task.key}"), await sign_in("ben", f"/tasks/{task.key}?scope=team")
    await form_of(ben)
    await expect(ben.locator(f"#row-{task.key}")).to_be_visible()
    await amelia.get_by_role("button", name="Claim", exact=False).click()
    await expect(amelia.locator("#assignment")).to_contain_text("You have this task")
    # Ben is told while he looks, without doing anything; and his queue no longer has it.
    await expect(ben.locator("#stand")).to_contain_text("Amelia took it a moment ago.")
    await expect(ben.locator(f"#row-{task.key}")).to_have_count(0)
    await ben.locator("[data-key=claim]").click()
    await expect(ben.locator("#stand [role=alert]").first).to_contain_text("Amelia took it")
    await shot(ben, "conflict")


async def test_the_second_pair_of_eyes_is_somebody_elses(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.assessed(await site.ground.reported(), "grace")
    page = await sign_in("grace", f"/tasks/{task.key}?scope=team")
    await page.locator("[data-key=claim]").click()
    await expect(page.locator("#stand")).to_contain_text("The rules do not let you do this:")
    await expect(page.locator("#stand")).to_contain_text("Grace Lindqvist already completed 'Assess claim'")
    await shot(page, "four-eyes")


async def test_the_agent_is_overridden_with_a_reason(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia", f"/tasks/{task.key}")
    await page.get_by_text("Override …").click()
    await page.get_by_label("Why do you decide otherwise?").select_option("facts-missing")
    await page.get_by_label("In your words").fill("No photographs")
    await page.get_by_role("button", name="Override").click()
    await expect(page.locator("#advice")).to_contain_text("You overrode this a moment ago: Facts are missing. “No photographs”")


async def test_new_work_appears_by_itself_and_ticks_stay(site: Inbox, sign_in: Open) -> None:
    first = await site.ground.task(await site.ground.reported(), "assess-claim")
    page = await sign_in("amelia", "/tasks?scope=team")
    await page.locator(f"#pick-{first.key}").check()
    second = await site.ground.task(await site.ground.reported(), "assess-claim")
    await expect(page.locator(f"#row-{second.key}")).to_be_visible()
    await expect(page.locator(f"#pick-{first.key}")).to_be_checked()
    await page.locator(f"#pick-{second.key}").check()
    await expect(page.locator("#bulk")).to_contain_text("2 selected")
    await page.locator("#bulk button").click()
    await expect(page.get_by_text("2 claimed.")).to_be_visible()


async def test_filters_stay_when_the_page_is_loaded_again(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.engine.advance(timedelta(hours=50))
    page = await sign_in("amelia", "/tasks?scope=team")
    await page.get_by_label("Due").first.select_option("overdue")
    await page.wait_for_url(re.compile("due=overdue"))
    await page.get_by_role("link", name="Assess claim").first.click()
    await form_of(page)
    await page.reload()
    assert "due=overdue" in page.url
    await expect(page.locator(f"#row-{task.key} .badge.overdue")).to_be_visible()
    await page.go_back()
    # The list was there all the time; what was opened beside it is gone once the page before has come back.
    await expect(page.locator("[data-island=form]")).to_have_count(0)
    await expect(page.locator(f"#row-{task.key}")).to_be_visible()


async def test_first_loads_are_light(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia")
    for path, most, ready in ((f"/tasks/{task.key}", 180_000, "[data-island=form][data-ready]"), ("/tasks?scope=team", 45_000, "#list")):
        sizes = await weighed(page, f"{site.address}{path}", ready)
        # Text, styles, scripts: what a browser that was never here waits for.
        assert 20_000 < sum(sizes.values()) < most, sizes


async def test_a_german_caseworker_reads_german(site: Inbox, sign_in: Open) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    amelia = await sign_in("amelia", f"/tasks/{task.key}", german=True)
    await form_of(amelia)
    await amelia.locator("[data-do=complete]").click()
    await expect(amelia.locator("#form-status")).to_have_text("Bitte berichtigen Sie die markierten Felder.")
    await expect(amelia.locator(".fjs-form-field-error").first).to_have_text("Das fehlt noch.")
    false = FilePayload(name="urlaub.png", mimeType="image/png", buffer=b"MZ no picture")
    await amelia.locator("#file").set_input_files([false])
    await expect(amelia.locator("[data-upload-status]")).to_contain_text("gibt sich als image/png aus, enthält aber etwas anderes.")
    await amelia.locator("[data-key=history]").click()
    await expect(amelia.locator(".history")).to_contain_text("Aufgabe entstanden für claims-assessors")
    approval = await site.ground.assessed(await site.ground.reported(), "grace")
    grace = await sign_in("grace", f"/tasks/{approval.key}?scope=team", german=True)
    await grace.locator("[data-key=claim]").click()
    await expect(grace.locator("#stand")).to_contain_text(
        "Grace Lindqvist hat „Assess claim“ schon erledigt: Hier entscheidet jemand anders."
    )


@asynccontextmanager
async def _axe() -> AsyncGenerator[Any]:
    from axe_playwright_python.async_playwright import Axe

    yield Axe()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (False, True), (True, False), (True, True)])
async def test_every_page_is_accessible_and_fits(site: Inbox, sign_in: Open, phone: bool, dark: bool) -> None:
    claim_id = await site.ground.reported()
    task = await site.ground.task(claim_id, "assess-claim")
    await site.ground.reported()
    await site.ground.tasks.claim(person("amelia"), task.key)
    await site.ground.tasks.comment(person("amelia"), task.key, "Asked @ben about the photographs.")
    german = phone != dark
    olga = await sign_in("olga", "/processes", phone=phone, dark=dark, german=german)
    amelia = await sign_in("amelia", "/tasks?scope=team", phone=phone, dark=dark, german=german)
    kind = f"{'phone' if phone else 'desk'}-{'dark' if dark else 'light'}"
    async with _axe() as axe:
        process = f"/processes/{task.process_definition_key}"
        for name, path, ready in (
            ("list", "/tasks?scope=team", ".task-row"),
            ("task", f"/tasks/{task.key}", "[data-island=form][data-ready]"),
            ("diagram", f"/tasks/{task.key}?tab=diagram", "[data-island=diagram][data-ready]"),
            ("history", f"/tasks/{task.key}?tab=history", ".history"),
            ("case", f"/cases/{claim_id}", "[data-island=diagram][data-ready]"),
            ("refused", "/cases/none", "[role=alert]"),
            ("absences", "/absences", "#absences"),
            ("processes", "/processes", "table"),
            ("process", process, "[data-island=diagram][data-ready]"),
            ("incidents", "/incidents", "#incidents"),
            ("audit", "/audit", "main"),
        ):
            page = olga if name in ("processes", "process", "incidents", "audit") else amelia
            await page.goto(f"{site.address}{path}")
            await page.wait_for_selector(ready)
            found = await axe.run(page)
            assert found.violations_count == 0, (name, found.generate_report())
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the screen"
            if name == "task" and not phone:
                await page.keyboard.press("g")
                found = await axe.run(page)
                assert found.violations_count == 0, ("hand on", found.generate_report())
            if name in ("task", "diagram", "case", "process"):
                mark = page.locator(".fjs-powered-by, .bjs-powered-by").first
                await mark.scroll_into_view_if_needed()
                await expect(mark).to_be_visible()
            await shot(page, f"{name}-{kind}")
