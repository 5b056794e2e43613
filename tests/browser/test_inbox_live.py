"""What happens elsewhere, over the bare REST API, shows by itself in the windows of all who look, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open, form_of
from tests.support.inbox_ground import Inbox

pytestmark = [pytest.mark.engine, pytest.mark.browser]

ENTERED = {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}}


async def test_what_is_done_over_the_api_shows_to_everybody_who_looks(site: Inbox, sign_in: Open) -> None:
    client = site.ground.client
    amelia, ben = await sign_in("amelia", "/tasks?scope=team"), await sign_in("ben", "/tasks?scope=team")
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    # It comes to both, and for whoever has opened it, too, it is somebody's once it is.
    for page in (amelia, ben):
        await expect(page.locator(f"#row-{task.key}")).to_be_visible()
    await ben.locator(f"#row-{task.key}").get_by_role("link").click()
    await expect(ben.locator("[data-key=claim]")).to_be_visible()
    await client.assign_user_task(task.key, "amelia")
    await expect(amelia.locator(f"#row-{task.key}")).to_have_count(0)
    await expect(ben.locator(f"#row-{task.key}")).to_have_count(0)
    await expect(ben.locator("#stand")).to_contain_text("Amelia")

    # Whoever has it open hears that it was completed elsewhere.
    await amelia.goto(f"{site.address}/tasks/{task.key}")
    await form_of(amelia)
    await client.complete_user_task(task.key, ENTERED)
    await expect(amelia.locator("#stand")).to_contain_text("completed")
    approval = await site.ground.task(f"CLM-{site.ground.number:06d}", "approve-payment")
    dmitri = await sign_in("dmitri", "/tasks?scope=team")
    await expect(dmitri.locator(f"#row-{approval.key}")).to_be_visible()
    await client.assign_user_task(approval.key, "dmitri")
    await client.complete_user_task(approval.key, {"approval": {"outcome": "approve", "notes": "Agreed."}})
    await expect(dmitri.locator(f"#row-{approval.key}")).to_have_count(0)


async def test_a_page_nobody_sees_keeps_no_stream_and_catches_up_when_it_is_looked_at(site: Inbox, sign_in: Open) -> None:
    page = await sign_in("amelia", "/tasks?scope=team")
    streams = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/live')).length"
    seen = """(state) => {
        Object.defineProperty(document, 'visibilityState', {get: () => state, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    await page.evaluate(seen, "hidden")
    # The stream has ended, so the browser has its connection back.
    await page.wait_for_function(f"{streams} === 1")
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await page.evaluate(seen, "visible")
    await expect(page.locator(f"#row-{task.key}")).to_be_visible()
