"""An instance's story as plain text, for failure messages: what was reached, what it has, what it waits for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from camunda_workers.testing.journal import Journal

if TYPE_CHECKING:
    from camunda_workers.testing.facts import InstanceFact

_MOST_VALUE = 160


async def text_of(journal: Journal, instance: int) -> str:
    """All that helps to see why an expectation does not hold."""
    fact = journal.instances.get(instance)
    if fact is None:
        return f"the engine has no record of process instance {instance}"
    parts = [_head(journal, fact), *_rows(journal, fact)]
    # Imported here: only a failure needs the event log, and its database library takes half a second to import.
    from camunda_workers.testing.steps_taken import steps_taken

    try:
        parts += await steps_taken(journal, journal.descendants(instance))
    except Exception as error:  # the story is help, never the failure
        parts.append(f"  (the story cannot be told: {error})")
    return "\n".join(parts)


def _head(journal: Journal, fact: InstanceFact) -> str:
    process = journal.processes.get(fact.definition)
    where = f" of {process.resource}" if process else ""
    return f"process instance {fact.key} of '{fact.process_id}' (version {fact.version}{where}) is {fact.state}"


def _rows(journal: Journal, fact: InstanceFact) -> Iterable[str]:
    active = [one.element_id for one in fact.active()]
    yield row("path", " > ".join(fact.path()) or "nothing has completed yet")
    if active:
        yield row("active", ", ".join(active))
    yield from variable_rows(journal, fact)
    for incident in journal.of_instance(fact.key):
        yield row("incident", f"{incident.value['errorType']} at '{incident.value['elementId']}': {incident.value['errorMessage']}")


def variable_rows(journal: Journal, fact: InstanceFact) -> Iterable[str]:
    """Variables of the instance, then those local to active elements."""
    shown = journal.variables.get(fact.key, {})
    yield row("variables", "; ".join(f"{name} = {value_text(value)}" for name, value in shown.items()) or "none")
    for element in fact.active():
        if local := journal.variables.get(element.key):
            yield row(f"  at {element.element_id}", "; ".join(f"{name} = {value_text(value)}" for name, value in local.items()))


def value_text(value: Any) -> str:
    """A JSON value, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_VALUE else text[: _MOST_VALUE - 1] + "…"


def row(name: str, text: str) -> str:
    """A line of a story: what it is about, and what there is to say."""
    return f"  {name:<11}{text}"
