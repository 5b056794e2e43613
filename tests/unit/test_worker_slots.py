"""The cap: exact, fair, and nothing is lost when a waiter is cancelled."""

from __future__ import annotations

import asyncio
import time

import pytest

from camunda_workers.worker.slots import LINGER, Slots


async def test_a_batch_takes_all_that_is_free_once_little_is_running() -> None:
    slots = Slots(10)
    assert await slots.take_batch() == 10
    assert slots.taken == 10
    slots.give_back(8)
    assert await slots.take_batch() == 8


async def test_above_the_mark_a_batch_waits_for_more_room_but_not_for_ever() -> None:
    slots = Slots(10)
    assert await slots.take(10) == 10
    slots.give_back(2)
    started = time.monotonic()
    assert await slots.take_batch() == 2
    assert time.monotonic() - started >= LINGER * 0.9

    slots.give_back(1)
    waiting = asyncio.create_task(slots.take_batch())
    await asyncio.sleep(0)
    started = time.monotonic()
    slots.give_back(8)
    assert await waiting == 9
    assert time.monotonic() - started < LINGER / 2


async def test_a_cap_of_one_does_not_linger() -> None:
    slots = Slots(1)
    for _ in range(3):
        started = time.monotonic()
        assert await slots.take_batch() == 1
        assert time.monotonic() - started < LINGER / 2
        slots.give_back()


async def test_waiters_are_served_in_order() -> None:
    slots = Slots(2)
    assert await slots.take(5) == 2
    order: list[str] = []

    async def wait(name: str, most: int) -> None:
        places = await slots.take(most)
        order.append(f"{name}{places}")

    tasks = [asyncio.create_task(wait("a", 1)), asyncio.create_task(wait("b", 2))]
    await asyncio.sleep(0)
    slots.give_back()
    slots.give_back()
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1"]
    assert slots.taken == 2


async def test_a_cancelled_waiter_loses_no_place() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    served = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    slots.give_back()
    # Served, but cancelled before it could run.
    served.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served
    assert slots.taken == 0

    await slots.take()
    batch = asyncio.create_task(slots.take_batch())
    await asyncio.sleep(0)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    slots.give_back()
    assert slots.taken == 0


async def test_a_batch_cancelled_while_it_lingers_gives_back() -> None:
    slots = Slots(10)
    await slots.take(9)
    batch = asyncio.create_task(slots.take_batch())
    await asyncio.sleep(0.01)
    assert slots.taken == 10
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert slots.taken == 9
