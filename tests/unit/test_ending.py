"""Background tasks that are told to end do, even when a cancellation is lost on the way."""

from __future__ import annotations

import asyncio

from camunda_workers.ending import end_tasks


async def test_a_task_that_loses_its_first_cancellation_ends() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    async def broken() -> None:
        raise ValueError("long ago")

    running = [asyncio.create_task(deaf()), asyncio.create_task(broken())]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await end_tasks(*running)
    assert lost == 2
    assert running[0].cancelled()


async def test_nothing_to_end() -> None:
    await end_tasks()
