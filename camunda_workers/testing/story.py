"""An instance's story as plain text, for failure messages: what was reached, what it has, what it waits for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from camunda_workers.events.log import EventLog
from camunda_workers.events.story import CaseStory, Tone, duration, instances_story
from camunda_workers.testing.journal import Journal

if TYPE_CHECKING:
    from camunda_workers.testing.facts import InstanceFact

_MARKS = {Tone.PLAIN: " ", Tone.GOOD: "+", Tone.CAREFUL: "!", Tone.BAD: "x"}
_MOST_STEPS = 40
_MOST_VALUE = 160


async def tell(journal: Journal, keys: Iterable[int]) -> CaseStory:
    """The story of process instances, told from the journal's records."""
    async with EventLog.open() as log:
        await log.append(journal.lines)
        return await instances_story(log, list(keys), now=datetime.fromtimestamp(journal.time / 1000, UTC))


async def text_of(journal: Journal, instance: int) -> str:
    """All that helps to see why an expectation does not hold."""
    fact = journal.instances.get(instance)
    if fact is None:
        return f"the engine has no record of process instance {instance}"
    parts = [_head(journal, fact), *_rows(journal, fact)]
    try:
        told = await tell(journal, journal.descendants(instance))
    except Exception as error:  # the story is help, never the failure
        return "\n".join([*parts, f"  (the story cannot be told: {error})"])
    parts += _waits(told)
    parts += _steps(told)
    return "\n".join(parts)


def _head(journal: Journal, fact: InstanceFact) -> str:
    process = journal.processes.get(fact.definition)
    where = f" of {process.resource}" if process else ""
    return f"process instance {fact.key} of '{fact.process_id}' (version {fact.version}{where}) is {fact.state}"


def _rows(journal: Journal, fact: InstanceFact) -> Iterable[str]:
    active = [one.element_id for one in fact.active()]
    yield _row("path", " > ".join(fact.path()) or "nothing has completed yet")
    if active:
        yield _row("active", ", ".join(active))
    yield from variable_rows(journal, fact)
    for incident in journal.of_instance(fact.key):
        yield _row("incident", f"{incident.value['errorType']} at '{incident.value['elementId']}': {incident.value['errorMessage']}")


def variable_rows(journal: Journal, fact: InstanceFact) -> Iterable[str]:
    """Variables of the instance, then those local to active elements."""
    shown = journal.variables.get(fact.key, {})
    yield _row("variables", "; ".join(f"{name} = {value_text(value)}" for name, value in shown.items()) or "none")
    for element in fact.active():
        if local := journal.variables.get(element.key):
            yield _row(f"  at {element.element_id}", "; ".join(f"{name} = {value_text(value)}" for name, value in local.items()))


def value_text(value: Any) -> str:
    """A JSON value, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_VALUE else text[: _MOST_VALUE - 1] + "…"


def _row(name: str, text: str) -> str:
    return f"  {name:<11}{text}"


def _waits(told: CaseStory) -> Iterable[str]:
    for wait in told.waits:
        name = f"{wait.element} ({wait.element_id})" if wait.element != wait.element_id else wait.element
        due = f", due in {duration(wait.due - told.told_at)}" if wait.due is not None else ""
        yield _row("may wait" if wait.optional else "waits for", f"{name}: {wait.what}{due}")


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
