"""The inbox over the claims office of `tasks_ground`: served on loopback, and used as a browser's scripts would."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from camunda_workers import Router
from camunda_workers.client import Resource
from camunda_workers.inbox import Parts, development_users, serve_inbox
from camunda_workers.project_people import InboxSection
from tests.support.tasks_ground import DUTIES, Ground, office

PASSWORD = "open sesame"
SECTION = InboxSection.model_validate(
    {
        "operators": ["claims-operations"],
        "users": {"olga": {"name": "Olga Reyes", "groups": ["claims-operations"]}, "zoe": {"groups": ["kitchen"]}},
        "processes": {
            "claim": {
                "title": "claim.claimant.name",
                "amount": "claim.total_amount",
                "facts": {"claim.claimant.name": "Claimant", "claim.total_amount": "Claimed", "claim.police_report": "Police report"},
            }
        },
    }
)


@dataclass
class Inbox:
    """A served inbox."""

    ground: Ground
    address: str
    parts: Parts

    def browser(self) -> Browser:
        """Somebody's browser, not signed in."""
        return Browser(self.address)

    async def signed_in(self, user: str) -> Browser:
        """Somebody's browser; closed with the test's event loop."""
        browser = self.browser()
        answer = await browser.sign_in(user)
        assert answer.status_code == 303, answer.text
        return browser


class Browser:
    """What a browser does, without drawing anything."""

    def __init__(self, address: str) -> None:
        self.http = httpx.AsyncClient(base_url=address, headers={"Accept-Language": "en"}, timeout=20)
        self.csrf = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.http.aclose()

    async def sign_in(self, user: str, password: str = PASSWORD, *, to: str = "/tasks", token: str | None = None) -> httpx.Response:
        """Fill in the sign-in form."""
        page = await self.http.get("/sign-in")
        found = re.search(r'name="token" value="([^"]+)"', page.text)
        assert found is not None
        answer = await self.http.post("/sign-in", data={"user": user, "password": password, "token": token or found[1], "to": to})
        if answer.status_code == 303:
            page = await self.http.get("/tasks")
            csrf = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
            assert csrf is not None
            self.csrf = csrf[1]
        return answer

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Look at a page."""
        return await self.http.get(path, headers=headers)

    async def part(self, path: str) -> httpx.Response:
        """Look at a part of a page, as htmx does."""
        return await self.http.get(path, headers={"HX-Request": "true"})

    async def post(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """Send a form, as htmx does."""
        return await self.http.post(path, data=data or {}, headers={"HX-Request": "true", "X-CSRF-Token": self.csrf})

    async def send(self, path: str, body: Any) -> httpx.Response:
        """Send JSON, as the form's script does."""
        return await self.http.post(path, json=body, headers={"Accept": "application/json", "X-CSRF-Token": self.csrf})


@asynccontextmanager
async def inbox(
    folder: Path,
    *,
    extra: tuple[Resource, ...] = (),
    section: InboxSection = SECTION,
    agent: Router | None = None,
    patience: float = 10.0,
    **different: Any,
) -> AsyncGenerator[Inbox]:
    """Open the office and serve its inbox; ``different`` parts take the usual ones' place, made from the office if they are functions."""
    async with office(folder, extra=extra, agent=agent, patience=patience, shows=section) as ground:
        usual = Parts(
            client=ground.client,
            tasks=ground.tasks,
            log=ground.log,
            model=ground.engine.read_model,
            users=development_users(section, DUTIES, PASSWORD),
            section=section,
            name="claims",
            clock=ground.engine.clock,
            hosts=("127.0.0.1",),
            secure=False,
        )
        parts = replace(usual, **{name: one(ground) if callable(one) else one for name, one in different.items()})
        async with serve_inbox(parts) as address:
            yield Inbox(ground, address, parts)


async def eventually(condition: Any, *, seconds: float = 10) -> Any:
    """What the condition gives once it gives something."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
    return found
