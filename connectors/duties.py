"""Segregation of duties in the claims process: who assessed a claim does not approve its payment."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from camunda_workers import Client, Router
from camunda_workers.tasks import CompletedBy, SearchCompletedBy, four_eyes

check_four_eyes = four_eyes(not_by=["assess-claim"])


@asynccontextmanager
async def ask_the_engine() -> AsyncGenerator[CompletedBy]:
    """The engine's own search, at the address that the environment names."""
    async with Client() as client:
        yield SearchCompletedBy(client)


router = Router(check_four_eyes)
router.provide(CompletedBy, ask_the_engine)
