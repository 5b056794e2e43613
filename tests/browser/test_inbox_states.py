"""States that a page is seldom in, in a real Chromium: each is read by axe, fits the screen, and says what to do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FilePayload, Page, expect

from camunda_workers.client import Resource
from camunda_workers.inbox import serve_inbox
from camunda_workers.inbox.parts import Rates
from camunda_workers.tasks.notifications.links import Links
from tests.browser.conftest import form_of, shot
from tests.support.inbox_ground import PASSWORD, SECTION, Inbox, inbox
from tests.support.tasks_ground import Ground, claim, person

pytestmark = [pytest.mark.engine, pytest.mark.browser, pytest.mark.timeout(600)]

SECTION_HERE = SECTION.model_copy(
    update={"auditors": ("claims-operations",), "sensitive": ("claim/approve-payment",), "advice": "triage", "language": "en"}
)
LONG = "Haftpflichtversicherungsschadensregulierungsbeauftragte " * 5 + "x" * 40
BROKEN = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="broken-file"
    targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="broken" name="Schadensregulierungsnachbearbeitung" isExecutable="true">
    <bpmn:startEvent id="begun"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="begun" targetRef="which"/>
    <bpmn:exclusiveGateway id="which"><bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing></bpmn:exclusiveGateway>
    <bpmn:sequenceFlow id="b" sourceRef="which" targetRef="done"><bpmn:conditionExpression>=amount &gt; 10</bpmn:conditionExpression></bpmn:sequenceFlow>
    <bpmn:endEvent id="done"><bpmn:incoming>b</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>
"""

Look = Callable[[str, Page], Awaitable[None]]


@pytest.mark.parametrize(("phone", "dark", "german"), [(False, False, False), (True, True, True)])
async def test_every_state_is_accessible_and_fits(tmp_path: Path, browser: Browser, phone: bool, dark: bool, german: bool) -> None:
    kind = f"{'phone' if phone else 'desk'}-{'dark' if dark else 'light'}"
    look: Any = {
        "viewport": {"width": 390, "height": 844} if phone else {"width": 1440, "height": 900},
        "color_scheme": "dark" if dark else "light",
        "locale": "de-DE" if german else "en-GB",
    }

    async def looked(name: str, page: Page) -> None:
        await shot(page, f"state-{name}-{kind}")
        found = await cast("Any", Axe()).run(page)
        assert found.violations_count == 0, (name, found.generate_report())
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the screen"

    async def signed_in(user: str, address: str) -> Page:
        page = await (await browser.new_context(**look)).new_page()
        await page.goto(f"{address}/sign-in")
        await page.locator("#user").fill(user)
        await page.locator("#password").fill(PASSWORD)
        await page.locator("form button.primary").click()
        await page.wait_for_url("**/tasks")
        return page

    plain = (Path(__file__).parent / "papers.bpmn").read_bytes().replace(b'<zeebe:formDefinition formId="papers"/>', b"")
    extra = (Resource("plain.bpmn", plain), Resource("broken.bpmn", BROKEN))
    async with inbox(tmp_path, extra=extra, section=SECTION_HERE, links=_links) as site:
        amelia, olga = await signed_in("amelia", site.address), await signed_in("olga", site.address)
        await looked("empty", amelia)
        await _tasks(site, amelia, looked)
        await _operations(site, olga, looked)
        await _doors(site, amelia, looked)
        async with serve_inbox(replace(site.parts, rates=Rates(looks=1))) as hurried:
            ben = await signed_in("ben", hurried)
            while (answer := await ben.goto(f"{hurried}/absences")) is None or answer.status != 429:
                pass
            await looked("too-much", ben)
        for page in (amelia, olga, ben):
            await page.wait_for_load_state()
            await page.context.close()


async def _tasks(site: Inbox, amelia: Page, looked: Look) -> None:
    ground, client = site.ground, site.ground.client
    long = claim("CLM-LONG-1")
    long["claimant"] = {"name": LONG, "email": "robin@example.org"}
    await client.start("claim", {"claim": long}, business_id="CLM-LONG-1")
    task = await ground.task("CLM-LONG-1", "assess-claim")
    await client.start("papers", {"words": LONG, "nested": {"deep": [1, 2, {"more": LONG}]}})
    bare = (await client.search_user_tasks({"processDefinitionId": "papers"}))[0]
    other = await ground.task(await ground.reported(), "assess-claim")
    await ground.tasks.claim(person("ben"), other.key)

    await amelia.goto(f"{site.address}/tasks?scope=all&q=nothing+like+it")
    await looked("search-without-hits", amelia)
    await amelia.goto(f"{site.address}/tasks?scope=all&q=Haftpflicht")
    await expect(amelia.locator(f"#row-{task.key}")).to_be_visible()
    await looked("search-with-hits", amelia)
    await amelia.goto(f"{site.address}/tasks/{other.key}")
    await form_of(amelia)
    await looked("read-only", amelia)
    await amelia.goto(f"{site.address}/tasks/{bare.key}")
    await looked("without-a-form-unclaimed", amelia)
    await amelia.locator("[data-key=claim]").first.click()
    await expect(amelia.locator("#assignment .good")).to_be_visible()
    await looked("without-a-form", amelia)

    await ground.tasks.claim(person("amelia"), task.key)
    await amelia.goto(f"{site.address}/tasks/{task.key}")
    await form_of(amelia)
    await amelia.locator("#advice summary").last.click()
    await looked("override", amelia)
    await amelia.locator("[data-do=complete]").click()
    await expect(amelia.locator(".fjs-form-field-error").first).to_be_visible()
    await looked("form-errors", amelia)
    await amelia.locator("#hand summary").click()
    await looked("hand-on", amelia)
    await amelia.locator("#file").set_input_files(
        [FilePayload(name=f"{LONG[:180]}.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7\n% a report\n")]
    )
    await expect(amelia.locator("#files a[download]")).to_have_count(1)
    await amelia.locator("#file").set_input_files([FilePayload(name="holiday.png", mimeType="image/png", buffer=b"MZ no picture")])
    await expect(amelia.locator("[data-upload-status]")).to_contain_text("holiday.png")
    await looked("rejected-upload", amelia)
    await amelia.goto(f"{site.address}{await amelia.locator('#files a[href$=read]').get_attribute('href')}")
    await looked("document", amelia)
    await amelia.goto(f"{site.address}/cases/CLM-LONG-1")
    await amelia.wait_for_selector("[data-island=diagram][data-ready]")
    await looked("case-with-long-names", amelia)

    # Somebody was faster with one of two.
    first, second = [await ground.task(await ground.reported(), "assess-claim") for _ in range(2)]
    await amelia.goto(f"{site.address}/tasks?scope=team")
    await amelia.route("**/list*", lambda route: route.abort())
    for one in (first, second):
        await amelia.locator(f"#pick-{one.key}").check()
    await looked("selected", amelia)
    await ground.tasks.claim(person("ben"), first.key)
    await amelia.locator("#bulk button").click()
    await expect(amelia.locator(".notice.careful")).to_be_visible()
    await amelia.unroute("**/list*")
    await looked("claimed-in-part", amelia)


async def _operations(site: Inbox, olga: Page, looked: Look) -> None:
    await site.ground.client.start("broken", {"amount": 1}, business_id="BROKEN-1")
    await site.ground.assessed(await site.ground.reported(), "amelia")
    await olga.goto(f"{site.address}/incidents")
    await expect(olga.locator("#incidents tbody tr")).to_have_count(1)
    await looked("incidents", olga)
    await olga.locator("#incidents button").click()
    await expect(olga.locator("#incidents .notice")).to_be_visible()
    await looked("incident-tried-again", olga)
    await olga.goto(f"{site.address}/absences")
    await looked("nobody-away", olga)
    found = await site.ground.client.search_user_tasks({"elementId": "approve-payment"})
    await olga.goto(f"{site.address}/cases/{found[0].business_id or found[0].tags[0].removeprefix('businessId:')}")
    await expect(olga.locator(".lock").first).to_be_visible()
    await looked("sensitive-case", olga)
    await olga.goto(f"{site.address}/audit")
    await expect(olga.locator("tbody tr").first).to_be_visible()
    await looked("audit", olga)


async def _doors(site: Inbox, amelia: Page, looked: Look) -> None:
    links, now = site.parts.links, site.ground.engine.clock.now()
    assert links is not None
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    old = await links.issue(task.key, "amelia", now - timedelta(days=9), purpose="claim")
    token = await links.issue(task.key, "amelia", now, purpose="claim")
    foreign = await links.issue(task.key, "ben", now, purpose="claim")
    for name, one in (("link-expired", old), ("link-of-somebody-else", foreign), ("link", token)):
        await amelia.goto(f"{site.address}/l/{one}")
        await looked(name, amelia)
    await amelia.locator("main button.primary").click()
    await expect(amelia.locator("#assignment .good")).to_be_visible()
    await amelia.goto(f"{site.address}/l/{token}")
    await looked("link-used", amelia)
    for name, path, status in (("no-such-page", "/nowhere", 404), ("no-such-case", "/cases/none", 404), ("no-such-task", "/tasks/1", 404)):
        answer = await amelia.goto(f"{site.address}{path}")
        assert answer is not None
        assert answer.status == status
        await expect(amelia.locator("[role=alert]")).to_be_visible()
        await looked(name, amelia)
    # Somebody else's page, and a page that was left open too long: what is refused stands on the page, in the reader's language.
    await amelia.goto(f"{site.address}/tasks/{task.key}")
    await form_of(amelia)
    await amelia.evaluate("document.querySelector('meta[name=csrf-token]').content = 'stolen'")
    await amelia.locator("[data-key=unclaim]").click()
    await expect(amelia.locator("#main [role=alert]")).to_be_visible()
    await looked("old-page", amelia)
    answer = await amelia.evaluate(
        "fetch('/absences', {method: 'POST', body: 'x'.repeat(1100000), headers: {Accept: 'application/json'}}).then((one) => one.text())"
    )
    assert json.loads(answer)["text"] in ("This is larger than what is taken here.", "Das ist größer, als hier angenommen wird.")
    # The session is over: back to the sign-in page, and from there to where one was.
    await amelia.context.clear_cookies(name="inbox_session")
    await amelia.goto(f"{site.address}/tasks/{task.key}")
    await amelia.locator("#user").fill("amelia")
    await amelia.locator("#password").fill("wrong")
    await amelia.locator("form button.primary").click()
    await expect(amelia.locator("[role=alert]")).to_be_visible()
    await looked("sign-in-again", amelia)


def _links(ground: Ground) -> Links:
    return Links(ground.tasks.store.database, [b"k" * 32], ground.tasks.desk.people)
