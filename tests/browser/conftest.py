"""A real Chromium in front of the inbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.conftest import BROWSERS
from tests.support.inbox_ground import PASSWORD, SECTION, Inbox, inbox

SHOTS = os.environ.get("CAMUNDA_WORKERS_SCREENSHOTS")
"""A folder in which to keep pictures of every page, for people to look at."""

Open = Callable[..., Awaitable[Page]]
VIOLATION = "policy broken:"
VIOLATIONS = f"addEventListener('securitypolicyviolation', (e) => console.error('{VIOLATION} ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + location))"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Inbox]:
    section = SECTION.model_copy(update={"auditors": ("claims-operations",), "sensitive": ("claim/approve-payment",)})
    async with inbox(tmp_path, section=section) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    program = next(found for name in BROWSERS if (found := shutil.which(name)))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        await running.close()


async def _enter(page: Page, site: Inbox, user: str, path: str) -> None:
    await page.goto(f"{site.address}/sign-in?to={path}")
    await page.locator("#user").fill(user)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("form button.primary").click()
    await page.wait_for_selector("#live-state[data-state=on]")


async def signed_in(site: Inbox, browser: Browser, user: str, path: str) -> Page:
    """A window on an inbox of the test's own; whoever opens it closes its context."""
    page = await (await browser.new_context(locale="en-GB")).new_page()
    await _enter(page, site, user, path)
    return page


@pytest.fixture
async def sign_in(site: Inbox, browser: Browser) -> AsyncGenerator[Open]:
    """Opens windows of people who are signed in; in none of them may a script fail or the policy be broken."""
    pages: list[Page] = []
    problems: list[str] = []
    async with AsyncExitStack() as stack:

        async def opened(user: str, path: str = "/tasks", *, phone: bool = False, dark: bool = False, german: bool = False) -> Page:
            size: Any = {"width": 390, "height": 844} if phone else {"width": 1400, "height": 900}
            look: Any = {"viewport": size, "color_scheme": "dark" if dark else "light", "has_touch": phone}
            context = await browser.new_context(locale="de-DE" if german else "en-GB", **look)
            stack.push_async_callback(context.close)
            await context.add_init_script(VIOLATIONS)
            page = await context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text) if said.text.startswith(VIOLATION) else None)
            pages.append(page)
            await _enter(page, site, user, path)
            return page

        yield opened
        for page in pages:
            await page.wait_for_load_state()  # a context that is closed while a page is on its way may never say that it is
    assert problems == []


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


async def form_of(page: Page) -> None:
    await page.wait_for_selector("[data-island=form][data-ready]")


async def weighed(page: Page, address: str, *ready: str) -> dict[str, float]:
    """Load a page as a browser does that was never there; the bytes that came over the wire, by address, headers included."""
    network = cast("Any", await page.context.new_cdp_session(page))
    await network.send("Network.enable")
    await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    asked: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def received(event: dict[str, Any]) -> None:
        asked[event["requestId"]] = event["response"]["url"]

    def finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    network.on("Network.responseReceived", received)
    network.on("Network.loadingFinished", finished)
    await page.goto(address)
    for one in (*ready, "#live-state[data-state=on]"):
        await page.wait_for_selector(one)
    await network.detach()
    return {asked[one]: size for one, size in sizes.items() if one in asked}
