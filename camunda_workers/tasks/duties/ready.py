"""Whether the rules are really enforced: every listener a diagram needs is in it, and a worker for it is alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from camunda_workers.errors import BadResource
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.listener import BEAT

if TYPE_CHECKING:
    from camunda_workers.tasks.store import TaskStore

MISSED: Final = 3 * BEAT
"""After so long without a sign of life a listener worker counts as gone."""

_BPMN: Final = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_ZEEBE: Final = "{http://camunda.org/schema/zeebe/1.0}"
_EVENTS: Final = ("assigning", "completing")


async def listener_problems(section: DutiesSection, store: TaskStore, now: datetime, *, missed: timedelta = MISSED) -> Mapping[str, str]:
    """What keeps the rules from being enforced now; for a readiness probe.

    Args:
        section: the rules.
        store: has the listener workers' signs of life.
        now: the time.
        missed: how old the last one may be.

    Returns:
        Problem by listener type; empty when all is well, or when there are no rules.
    """
    if not section.any_rules:
        return {}
    alive = {one.job_type for one in await store.ledger.heartbeats() if now - one.seen_at <= missed}
    text = (
        "no worker for this listener is running: assigning and completing tasks will hang until one does (start 'camunda-workers worker')"
    )
    return {f"duties listener '{job_type}'": text for job_type in section.listeners if job_type not in alive}


def diagram_problems(section: DutiesSection, content: bytes, *, name: str) -> list[str]:
    """Where a diagram lets somebody walk around the rules: tasks that a rule is about and that lack a listener.

    Args:
        section: the rules.
        content: a BPMN file.
        name: what to call it.

    Raises:
        BadResource: it is no XML, or XML that must not be read.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise BadResource(name, f"is not XML: {error}") from error
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise BadResource(name, "has a DOCTYPE, which no diagram needs")
    problems: list[str] = []
    for process in root.iter(f"{_BPMN}process"):
        process_id = process.get("id", "")
        for task in process.iter(f"{_BPMN}userTask"):
            rules = list(rules_about(section, process_id, task.get("id", "")))
            missing = [event for event in _EVENTS if event not in _listens(task, section.listeners)]
            if rules and missing:
                problems.append(
                    f"{name}, task '{task.get('id')}': rule '{rules[0]}' is not enforced outside of the inbox, because the task has no "
                    f"{' and no '.join(missing)} listener of type '{section.listeners[0]}'"
                )
    return problems


def rules_about(section: DutiesSection, process_id: str, element_id: str) -> Iterator[str]:
    """The names of the rules that can deny a task."""
    for rule in section.separate:
        if rule.process in (None, process_id) and (element_id == rule.task or element_id in rule.tasks):
            yield rule.name
    for rule in (*section.limits, *section.conflicts):
        if rule.process in (None, process_id) and (element_id in rule.tasks or "*" in rule.tasks):
            yield rule.name
    for rule in section.approvals:
        if rule.process in (None, process_id) and element_id == rule.task:
            yield rule.name


def _listens(task: etree._Element, types: Sequence[str]) -> set[str]:  # pyright: ignore[reportPrivateUsage]
    """The events of a user task at which one of these listeners is asked."""
    return {one.get("eventType", "") for one in task.iter(f"{_ZEEBE}taskListener") if one.get("type") in types}
