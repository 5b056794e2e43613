"""Somebody at Camunda's own Tasklist, in a real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.conftest import BROWSERS
from tests.support.tasklist_app import PASSWORD, Tasklist

SHOTS = os.environ.get("CAMUNDA_WORKERS_SCREENSHOTS")
"""A folder in which to keep pictures of every step, for people to look at."""
PATIENCE = 30_000


class Desk:
    """One person's window."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user

    async def shot(self, name: str) -> None:
        """Keep a picture, if pictures are wanted."""
        if SHOTS:
            await self.page.wait_for_timeout(800)  # messages slide in
            await self.page.screenshot(path=Path(SHOTS) / f"tasklist-{name}.png")

    async def sign_in(self, app: Tasklist) -> None:
        """Log in, as people do."""
        await self.page.goto(f"{app.address}/tasklist")
        await self.page.get_by_label("Username").fill(self.user)
        await self.page.get_by_role("textbox", name="Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Login").click()
        await expect(self.page.get_by_test_id("scrollable-list").or_(self.page.get_by_text("No tasks found"))).to_be_visible(
            timeout=PATIENCE
        )

    async def open(self, task: str) -> None:
        """Open the latest task of that name."""
        entry = self.page.get_by_test_id("scrollable-list").get_by_text(task, exact=True).first
        await expect(entry).to_be_visible(timeout=PATIENCE)
        await entry.click()
        await expect(self.page.get_by_test_id("embedded-form").get_by_text("Your decision")).to_be_visible(timeout=PATIENCE)

    async def claim(self) -> None:
        """Press the button that takes the open task."""
        await self.page.get_by_role("button", name="Assign to me").click()

    async def claimed(self) -> None:
        """Take the open task, and have it."""
        await self.claim()
        await expect(self.page.get_by_role("button", name="Unassign")).to_be_visible(timeout=PATIENCE)

    async def fill(self, choice: str, fields: Mapping[str, str]) -> None:
        """Fill in the open task's form."""
        form = self.page.get_by_test_id("embedded-form")
        await form.locator(".fjs-form-field-radio").get_by_text(choice, exact=True).click()
        for label, value in fields.items():
            await form.get_by_label(label).fill(value)

    async def complete(self) -> None:
        """Press the button that completes the open task."""
        await self.page.get_by_role("button", name="Complete Task").click()

    async def release(self) -> None:
        """Give the open task back."""
        await self.page.get_by_role("button", name="Unassign").click()
        await expect(self.page.get_by_role("button", name="Assign to me")).to_be_visible(timeout=PATIENCE)

    async def told(self, message: str) -> None:
        """See a message of Tasklist's."""
        await expect(self.page.get_by_text(message).first).to_be_visible(timeout=PATIENCE)


@asynccontextmanager
async def desks(app: Tasklist) -> AsyncGenerator[tuple[Desk, Desk]]:
    """A window for each of the two who can log in, logged in."""
    program = next(path for name in BROWSERS if (path := shutil.which(name)))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found: list[Desk] = []
        for user in app.users:
            context = await browser.new_context(viewport={"width": 1300, "height": 900}, locale="en-GB", permissions=["notifications"])
            found.append(Desk(await context.new_page(), user))
            await found[-1].sign_in(app)
        try:
            yield found[0], found[1]
        except BaseException:
            for one in found:
                await one.shot(f"problem-{one.user}")
            raise
        finally:
            await browser.close()
