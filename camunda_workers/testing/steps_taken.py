"""What an instance went through and waits for, told from the records by the event log's own story."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from camunda_workers.events.log import EventLog
from camunda_workers.events.story import CaseStory, Tone, duration, instances_story
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.story import row

_MARKS = {Tone.PLAIN: " ", Tone.GOOD: "+", Tone.CAREFUL: "!", Tone.BAD: "x"}
_MOST_STEPS = 40


async def steps_taken(journal: Journal, keys: Iterable[int]) -> list[str]:
    """The lines about process instances: what they wait for, and their steps."""
    async with EventLog.open() as log:
        await log.append(journal.lines)
        told = await instances_story(log, list(keys), now=datetime.fromtimestamp(journal.time / 1000, UTC))
    return [*_waits(told), *_steps(told)]


def _waits(told: CaseStory) -> Iterable[str]:
    for wait in told.waits:
        name = f"{wait.element} ({wait.element_id})" if wait.element != wait.element_id else wait.element
        due = f", due in {duration(wait.due - told.told_at)}" if wait.due is not None else ""
        yield row("may wait" if wait.optional else "waits for", f"{name}: {wait.what}{due}")


def _steps(told: CaseStory) -> Iterable[str]:
    steps = told.steps
    yield "  story"
    if len(steps) > _MOST_STEPS:
        yield f"    … {len(steps) - _MOST_STEPS} earlier steps"
        steps = steps[-_MOST_STEPS:]
    for step in steps:
        who = f"{step.actor.value} {step.who}" if step.who else step.actor.value
        since = f"+{duration(step.time - told.started)}"
        yield f"  {_MARKS[step.tone]} {since:>11}  {'  ' * step.depth}{step.element}: {step.what}  [{who}]"
        for detail in step.details:
            yield f"{'':17}{detail}"
