"""From an agent's recommendation to the passage it quotes, in a real Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.browser.conftest import form_of, shot, signed_in
from tests.integration.test_inbox_why import LETTER, SAID, served, triaged
from tests.support.tasks_ground import person

pytestmark = [
    pytest.mark.engine,
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
]


async def test_a_citation_leads_to_its_place_and_the_recommendation_is_overridden(tmp_path: Path, browser: Browser) -> None:
    async with served(tmp_path, SAID) as site:
        # Long enough that the passage is not on the first screen.
        task = await triaged(site, ("\n".join(f"Line {number} of the letter." for number in range(200)) + "\n" + LETTER).encode())
        await site.ground.tasks.claim(person("amelia"), task.key)
        page = await signed_in(site, browser, "amelia", f"/tasks/{task.key}")
        await form_of(page)
        advice = page.locator("#advice")
        await expect(advice.locator(".changes")).to_contain_text("Pay straight through")
        await shot(page, "why")
        await advice.get_by_role("link", name="letter.txt").first.click()
        quote = page.locator("mark#quote-1")
        await expect(quote).to_be_in_viewport()
        await expect(quote).to_contain_text("left the scene when I came back.")
        assert (await cast("Any", Axe()).run(page)).violations_count == 0
        await shot(page, "why-document")
        await page.get_by_role("link", name="← Assess claim").click()
        await form_of(page)
        await advice.get_by_text("Override …").click()
        await advice.get_by_label("Why do you decide otherwise?").select_option("facts-missing")
        await advice.get_by_role("button", name="Override").click()
        await expect(advice).to_contain_text("Facts are missing")
        await page.context.close()
