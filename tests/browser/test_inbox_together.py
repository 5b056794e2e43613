"""What people do together in the inbox, in a real Chromium: hand on, attach, stand in, watch; and sign in at a provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FilePayload, expect

from camunda_workers.client import DocumentReference, Resource
from camunda_workers.inbox.oidc import Provider
from camunda_workers.inbox.users import KnownPeople
from camunda_workers.project_people import OidcSection
from camunda_workers.tasks.notifications.links import Links
from tests.browser.conftest import Open, form_of, shot, signed_in, weighed
from tests.support.inbox_ground import Inbox, inbox
from tests.support.oidc_provider import oidc_provider
from tests.support.tasks_ground import ASSESSORS, DUTIES, Ground, person

pytestmark = [pytest.mark.engine, pytest.mark.browser]

PDF = FilePayload(name="Report <b>1.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7\n% a report\n")
FALSE = FilePayload(name="holiday.png", mimeType="image/png", buffer=b"MZ\x90\x00 not a picture")


async def test_a_colleague_is_asked_and_hands_back_by_keyboard(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    amelia, ben = await sign_in("amelia", f"/tasks/{task.key}"), await sign_in("ben")
    await form_of(amelia)
    await amelia.keyboard.press("g")
    await amelia.keyboard.type("Ben")
    await amelia.keyboard.press("Tab")
    await amelia.keyboard.type("You know this garage")
    await amelia.keyboard.press("Enter")
    await expect(amelia.get_by_text("Ben is working on this for you")).to_be_visible()
    # It appears on Ben's desk by itself.
    row = ben.locator(f"#row-{task.key}")
    await expect(row).to_be_visible()
    await row.get_by_role("link").click()
    await expect(ben.get_by_text("Amelia asks you to work on this.").first).to_be_visible()
    await expect(ben.get_by_role("button", name="Complete")).to_have_count(0)
    await ben.get_by_placeholder("A few words (optional)").fill("Plausible")
    await ben.get_by_role("button", name="Hand back").click()
    await expect(ben.get_by_text("The task was handed back.")).to_be_visible()
    await expect(amelia.locator("#stand")).to_contain_text("The task is yours now.")


async def test_documents_are_attached_and_what_is_not_what_it_says_is_refused(site: Inbox, sign_in: Open) -> None:
    claim = await site.ground.reported()
    task = await site.ground.task(claim, "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia", f"/tasks/{task.key}")
    await form_of(page)
    await page.locator("#file").set_input_files([PDF])
    await expect(page.locator("[data-upload-status]")).to_contain_text("is attached.")
    await expect(page.locator("#files a[download]")).to_have_text("Report <b>1.pdf")
    await page.locator("#file").set_input_files([FALSE])
    await expect(page.locator("[data-upload-status]")).to_contain_text("its content is something else")
    await expect(page.locator("#files a[download]")).to_have_count(1)
    await page.goto(f"{site.address}/cases/{claim}")
    async with page.expect_download() as started:
        await page.locator("#files a[download]").click()
    download = await started.value
    assert await asyncio.to_thread(Path(await download.path()).read_bytes) == PDF["buffer"]
    await shot(page, "documents")


EVERY_KIND: tuple[dict[str, Any], ...] = (
    {"type": "text", "text": "# Papers\n\nof a *case*"},
    {"type": "html", "content": "<p>some <b>words</b></p>"},
    {"type": "textfield", "key": "name", "label": "Name"},
    {"type": "textarea", "key": "words", "label": "Words"},
    {"type": "number", "key": "amount", "label": "Amount"},
    {"type": "checkbox", "key": "sure", "label": "Sure"},
    {"type": "radio", "key": "way", "label": "Way", "values": [{"label": "This", "value": "this"}, {"label": "That", "value": "that"}]},
    {"type": "checklist", "key": "some", "label": "Some", "values": [{"label": "One", "value": "one"}]},
    {"type": "select", "key": "one", "label": "One", "values": [{"label": "One", "value": "one"}]},
    {"type": "taglist", "key": "tags", "label": "Tags", "values": [{"label": "One", "value": "one"}]},
    {
        "type": "datetime",
        "key": "at",
        "dateLabel": "When",
        "timeLabel": "At",
        "subtype": "datetime",
        "timeSerializingFormat": "utc_normalized",
    },
    {"type": "datetime", "key": "clock", "timeLabel": "Time", "subtype": "time", "timeSerializingFormat": "no_timezone"},
    {"type": "expression", "key": "sum", "expression": "=1 + 1", "computeOn": "change"},
    {"type": "separator"},
    {"type": "spacer", "height": 20},
    {"type": "table", "label": "Rows", "dataSource": "=[{a: 1}]", "columns": [{"label": "A", "key": "a"}], "rowCount": 5},
    {"type": "image", "alt": "nothing", "source": "data:image/gif;base64,R0lGODlhAQABAAAAACw="},
    {"type": "group", "label": "Group", "components": [{"type": "textfield", "key": "inner", "label": "Inner"}]},
    {
        "type": "dynamiclist",
        "path": "many",
        "label": "Many",
        "isRepeating": True,
        "allowAddRemove": True,
        "defaultRepetitions": 1,
        "components": [{"type": "textfield", "key": "each", "label": "Each"}],
    },
)
"""What form-js has beside the two of the papers form: a page with every kind of field."""


@asynccontextmanager
async def papers(tmp_path: Path, *more: dict[str, Any]) -> AsyncGenerator[tuple[Inbox, int]]:
    """An inbox with a task of the papers form, claimed by Amelia; its key."""
    components: list[dict[str, Any]] = [
        {"type": "filepicker", "key": "papers", "label": "Papers", "validate": {"required": not more}},
        {"type": "datetime", "key": "day", "dateLabel": "Day", "subtype": "date"},
        *more,
    ]
    named = [one | {"id": f"field-{number}"} for number, one in enumerate(components)]
    form = {"type": "default", "id": "papers", "schemaVersion": 19, "components": named}
    process = await asyncio.to_thread((Path(__file__).parent / "papers.bpmn").read_bytes)
    extra = (Resource("papers.form", json.dumps(form).encode()), Resource("papers.bpmn", process))
    async with inbox(tmp_path, extra=extra) as site:
        await site.ground.client.start("papers", {})
        found = await site.ground.client.search_user_tasks({"processDefinitionId": "papers"})
        await site.ground.tasks.claim(person("amelia"), found[0].key)
        yield site, found[0].key


async def test_a_form_with_every_kind_of_field_is_light_and_its_calendar_comes_when_somebody_enters_a_day(
    tmp_path: Path, browser: Browser
) -> None:
    async with papers(tmp_path, *EVERY_KIND) as (site, key):
        page = await signed_in(site, browser, "amelia", "/tasks")
        sizes = await weighed(page, f"{site.address}/tasks/{key}", "[data-island=form][data-ready]")
        assert 100_000 < sum(sizes.values()) < 185_000, sizes
        assert not [one for one in sizes if "calendar" in one]
        # Somebody who types at once, before the calendar is there, loses nothing.
        await page.get_by_label("Day").focus()
        await page.keyboard.type("30/11/2026")
        await page.keyboard.press("Tab")
        await page.wait_for_selector(".flatpickr-calendar", state="attached")
        await expect(page.get_by_label("Day")).to_have_value("30/11/2026")
        await page.locator("[data-do=save]").click()
        await expect(page.locator("#form-status[data-tone=good]")).to_be_visible()
        draft = await site.ground.tasks.draft(person("amelia"), key)
        assert draft is not None
        assert draft.variables["day"] == "2026-11-30"
        # What was entered is shown before there is a calendar, too.
        await page.reload()
        await form_of(page)
        await expect(page.get_by_label("Day")).to_have_value("30/11/2026")
        await expect(page.locator(".flatpickr-calendar")).to_have_count(0)
        await page.get_by_label("Day").click()
        await expect(page.locator(".flatpickr-calendar.open .flatpickr-day.selected")).to_have_text("30")
        await page.context.close()


async def test_a_forms_own_file_picker_puts_documents_into_the_case(tmp_path: Path, browser: Browser) -> None:
    async with papers(tmp_path) as (site, key):
        page = await signed_in(site, browser, "amelia", f"/tasks/{key}")
        await form_of(page)
        await page.locator(".fjs-form-field-filepicker input[type=file]").set_input_files([PDF])
        # The calendar is loaded for forms that ask for days, and for no other.
        await page.get_by_label("Day").click()
        await page.locator(".flatpickr-calendar.open .flatpickr-day.today").click()
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_text("Task completed.")).to_be_visible()
        items = await site.ground.client.search_variables({"name": "papers"}, truncate=False)
        kept = json.loads(items[0].value)
        assert kept[0]["metadata"]["fileName"] == PDF["name"]
        shown = await site.parts.tasks.store.attachments.of(key)
        assert [one.document_id for one in shown] == [kept[0]["documentId"]]
        days = await site.ground.client.search_variables({"name": "day"}, truncate=False)
        assert date.fromisoformat(json.loads(days[0].value)).year >= 2026
        reference = DocumentReference.model_validate(kept[0])
        assert await site.ground.client.get_document(reference) == PDF["buffer"], (
            "a worker, or Tasklist, finds it where Camunda keeps documents"
        )
        await page.context.close()


async def test_names_are_offered_while_somebody_is_mentioned(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    page = await sign_in("amelia", f"/tasks/{task.key}")
    await form_of(page)
    await page.keyboard.press("m")
    await page.keyboard.type("Please look, @lind")
    await expect(page.locator(".mentions").get_by_role("option")).to_have_text(["Grace Lindqvist · @grace"])
    await page.keyboard.press("Enter")
    await page.keyboard.type("thank you")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".comment")).to_contain_text("Please look, @grace thank you")
    assert (await site.ground.tasks.comments(person("amelia"), task.key))[0].mentions == ["grace"]


async def test_out_of_office(site: Inbox, sign_in: Open) -> None:
    page = await sign_in("amelia", "/absences")
    await page.get_by_label("Who stands in").fill("ben")
    today = await page.get_by_label("First day").input_value()
    await page.get_by_label("Last day").fill(today)
    await page.get_by_role("button", name="Enter").click()
    await expect(page.get_by_text("The absence is entered.")).to_be_visible()
    await expect(page.locator("tbody tr")).to_contain_text("Ben")


async def test_tokens_move_on_the_heat_map_while_somebody_looks(site: Inbox, sign_in: Open) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    page = await sign_in("olga", f"/processes/{task.process_definition_key}")
    await page.wait_for_selector("[data-island=diagram][data-ready]")
    token = page.locator("[data-container-id=assess-claim] .token")
    await expect(token).to_have_text("1")
    await expect(page.locator("[data-element-id=assess-claim].is-hot-5")).to_be_visible()
    await site.ground.reported()
    await expect(token).to_have_text("2", timeout=15_000)


async def test_the_pages_at_the_door_are_accessible(tmp_path: Path, browser: Browser) -> None:
    def made(ground: Ground) -> Links:
        return Links(ground.tasks.store.database, [b"k" * 32], ground.tasks.desk.people)

    async with inbox(tmp_path, links=made) as site:
        links = site.parts.links
        assert links is not None
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        token = await links.issue(task.key, "amelia", site.ground.engine.clock.now(), purpose="claim")
        for scheme in ("dark", "light"):
            nobody = await (await browser.new_context(color_scheme=scheme, locale="de-DE")).new_page()
            await nobody.goto(f"{site.address}/sign-in")
            page = await signed_in(site, browser, "amelia", f"/l/{token}")
            for one, name in ((nobody, "sign-in"), (page, "link")):
                found = await cast("Any", Axe()).run(one)
                assert found.violations_count == 0, (name, scheme, found.generate_report())
            await shot(page, "link")
            if scheme == "light":
                await page.get_by_role("button", name="Claim the task").click()
                await expect(page.locator("#assignment")).to_contain_text("You have this task")
            await nobody.context.close()
            await page.context.close()


async def test_signing_in_at_a_provider_and_out_again(tmp_path: Path, browser: Browser) -> None:
    async with oidc_provider() as idp:
        idp.add_person("amelia", "open", groups=(ASSESSORS,), display_name="Amelia Hart")
        provider = Provider(OidcSection(issuer=idp.issuer, client_id="inbox", name="Office login"), "a secret")
        async with inbox(tmp_path, provider=provider, users=KnownPeople(DUTIES)) as site:
            back, out = f"{site.address}/sign-in/back", f"{site.address}/sign-in?out=1"
            idp.add_client("inbox", "a secret", redirect_uris=(back,), post_logout_redirect_uris=(out,))
            task = await site.ground.task(await site.ground.reported(), "assess-claim")
            context = await browser.new_context(locale="en-GB")
            page = await context.new_page()
            await page.goto(f"{site.address}/tasks/{task.key}")
            await page.fill("#username", "amelia")
            await page.fill("#password", "open")
            await page.click("#log-in")
            await page.wait_for_url(f"{site.address}/tasks/{task.key}")
            cookies = {one.get("name"): one for one in await context.cookies()}
            assert cookies["inbox_session"].get("httpOnly")
            assert cookies["inbox_session"].get("sameSite") == "Lax"
            await page.locator("[data-key=claim]").click()
            await expect(page.locator("#assignment")).to_contain_text("You have this task")
            await page.locator(".me summary").click()
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_text("You are signed out.")).to_be_visible()
            for scheme in ("dark", "light"):
                await page.emulate_media(color_scheme=cast("Any", scheme))
                found = await cast("Any", Axe()).run(page)
                assert found.violations_count == 0, (scheme, found.generate_report())
            await shot(page, "sign-in-elsewhere")
            await page.get_by_role("link", name="Sign in with Office login").click()
            # The provider has forgotten the person, too.
            await expect(page.locator("#username")).to_be_visible()
            await context.close()
