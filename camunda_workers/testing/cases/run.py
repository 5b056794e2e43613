"""Runs test cases, each on a fresh engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from camunda_workers.client import Resource
from camunda_workers.errors import CamundaWorkersError, NotSupported
from camunda_workers.testing.cases import model
from camunda_workers.testing.cases.actions import act
from camunda_workers.testing.cases.assertions import check
from camunda_workers.testing.cases.scene import Scene
from camunda_workers.testing.failures import ExpectationFailed
from camunda_workers.testing.kit import CamundaTest

_ASSERTIONS = get_args(model.Assertion)


@dataclass(frozen=True, slots=True)
class Result:
    """How a test case ended.

    Attributes:
        failure: why it failed, empty when it passed; the first line says which instruction.
        seconds: real time.
    """

    file: Path
    name: str
    failure: str
    seconds: float


async def run_case(kit: CamundaTest, case: model.TestCase, resources: Sequence[Path | Resource]) -> None:
    """Run one test case on a started kit.

    Args:
        kit: the kit.
        case: the test case.
        resources: what it runs on.

    Raises:
        NotSupported: it cannot be run here; names the instruction and why.
        ExpectationFailed: an instruction could not be carried out or does not hold; names it.
    """
    if case.refusal:
        raise NotSupported(case.refusal)
    await kit.deploy(*resources)
    has_behaviors = any(isinstance(one, model.ConditionalBehavior) for one in case.instructions)
    # What behaviours do is not known to the engine: while there are some, a quiet engine is no reason to give up.
    scene = Scene(kit, kit.timeout if has_behaviors else None)
    async with _behaviors(kit) as start:
        for number, one in enumerate(case.instructions, start=1):
            try:
                if isinstance(one, model.ConditionalBehavior):
                    start(one)
                else:
                    await _do(scene, one)
            except (CamundaWorkersError, AssertionError) as error:
                text = f"instruction {number}, {one.type}: {error}"
                raise ExpectationFailed(text.splitlines()[0], text) from error


async def _do(scene: Scene, one: model.Assertion | model.Action) -> None:
    if isinstance(one, _ASSERTIONS):
        await check(scene, one)  # pyright: ignore[reportArgumentType]
    else:
        await act(scene, one)  # pyright: ignore[reportArgumentType]


@contextlib.asynccontextmanager
async def _behaviors(kit: CamundaTest) -> AsyncGenerator[Callable[[model.ConditionalBehavior], None]]:
    running: list[asyncio.Task[None]] = []
    try:
        yield lambda one: running.append(asyncio.create_task(_behave(kit, one), name=f"behaviour {one.name or ''}"))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _behave(kit: CamundaTest, behavior: model.ConditionalBehavior) -> None:
    now = Scene(kit, 0.0)
    acting = Scene(kit, kit.timeout)
    turn = 0
    seen = -1
    while True:
        if kit.journal.position != seen:
            seen = kit.journal.position
            if await _all_hold(now, behavior.conditions):
                # Another behaviour may have been quicker: then there is nothing left to do, and the next record tells.
                with contextlib.suppress(CamundaWorkersError, ExpectationFailed):
                    await _do(acting, behavior.actions[min(turn, len(behavior.actions) - 1)])
                    turn += 1
        await kit.journal.wait(0.05)
        await kit.waiting.look_around()


async def _all_hold(scene: Scene, conditions: Iterable[model.Assertion]) -> bool:
    try:
        for one in conditions:
            await check(scene, one)
    except (CamundaWorkersError, AssertionError):
        return False
    return True


async def run_alone(file: Path, case: model.TestCase, resources: Sequence[Path | Resource], kit: CamundaTest) -> Result:
    """Run one test case on a kit of its own, and say how it ended instead of raising."""
    begun = time.perf_counter()
    if case.refusal:
        return Result(file, case.name, case.refusal, 0.0)
    try:
        async with kit:
            await run_case(kit, case, resources)
    except (CamundaWorkersError, AssertionError) as error:
        return Result(file, case.name, str(error), time.perf_counter() - begun)
    return Result(file, case.name, "", time.perf_counter() - begun)
