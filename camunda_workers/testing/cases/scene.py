"""Finds what selectors name, in the engine that a test case runs on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from camunda_workers.testing.cases.selectors import (
    ElementSelector,
    IncidentSelector,
    JobSelector,
    ProcessSelector,
    UserTaskSelector,
)
from camunda_workers.testing.diagrams import Element, tidy
from camunda_workers.testing.facts import IncidentFact, JobFact, TaskFact
from camunda_workers.testing.failures import ExpectationFailed, unknown
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.kit import CamundaTest


class Scene:
    """One kit, seen by selectors.

    Args:
        kit: the kit.
        patience: given to expectations: ``None`` to fail as soon as nothing more will happen, seconds where behaviours act on their own.
    """

    def __init__(self, kit: CamundaTest, patience: float | None = None) -> None:
        self.kit = kit
        self.patience = patience

    def process_id(self, key: int) -> str:
        """The process of an instance."""
        fact = self.kit.journal.instances.get(key)
        return fact.process_id if fact is not None else ""

    async def instance(self, selector: ProcessSelector) -> Instance:
        """The first process instance of a process."""
        wanted = str(selector.process_definition_id)

        def look() -> Instance | None:
            return next(
                (Instance(self.kit, one.key, one.process_id) for one in self.kit.journal.instances.values() if one.process_id == wanted),
                None,
            )

        await self.kit.ready()
        await self.kit.waiting.look_around()
        known = {one.process_id for one in self.kit.journal.processes.values()}
        if wanted not in known:
            raise unknown("process", wanted, "what is deployed", known)
        return await self._until(look, f"expected a process instance of '{wanted}', and there is none")

    async def element(self, instance: Instance, selector: ElementSelector) -> str:
        """An element's id."""
        if selector.element_id is not None:
            return selector.element_id
        name = tidy(selector.element_name)
        diagram = self.kit.diagram_of(instance.key)
        found = diagram.named(name) if diagram is not None else []
        if not found:
            raise unknown(
                "element named",
                name,
                f"process '{instance.process_id}'",
                {one.name for one in diagram.elements.values() if one.name} if diagram else (),
            )
        fact = instance.fact()
        begun = {one.element_id for one in fact.elements.values()} if fact is not None else set[str]()
        return next((one.id for one in found if one.id in begun), found[0].id)

    async def job(self, selector: JobSelector) -> JobFact:
        """The job that waits and is meant."""

        def look() -> JobFact | None:
            return next(
                (one for one in self.kit.journal.jobs.values() if one.state in ("created", "activated") and self._is(one, selector)), None
            )

        return await self._until(look, f"expected a job with {selector.text()}, and there is none")

    def _is(self, job: JobFact, selector: JobSelector) -> bool:
        return (
            selector.job_type in (None, job.type)
            and selector.element_id in (None, job.element_id)
            and selector.process_definition_id in (None, str(job.value.get("bpmnProcessId")))
        )

    async def task(self, selector: UserTaskSelector, *, open_only: bool = False) -> UserTask:
        """The latest user task that is meant."""

        def look() -> UserTask | None:
            found = [
                one for one in self.kit.journal.tasks.values() if self._names(selector, one) and (not open_only or one.state == "created")
            ]
            open_ = [one for one in found if one.state == "created"]
            return UserTask(self.kit, (open_ or found)[-1].key) if found else None

        return await self._until(look, f"expected a user task with {selector.text()}, and there is none")

    def _names(self, selector: UserTaskSelector, task: TaskFact) -> bool:
        return (
            selector.element_id in (None, task.value["elementId"])
            and selector.process_definition_id in (None, self.process_id(task.instance))
            and (selector.task_name is None or UserTask(self.kit, task.key).name == tidy(selector.task_name))
        )

    def incidents(self, selector: IncidentSelector) -> list[IncidentFact]:
        """The incidents that are meant, active or not."""
        return [
            one
            for one in self.kit.journal.incidents.values()
            if selector.element_id in (None, one.value["elementId"])
            and selector.process_definition_id in (None, self.process_id(one.instance))
        ]

    async def incident(self, selector: IncidentSelector) -> IncidentFact:
        """The active incident that is meant."""

        def look() -> IncidentFact | None:
            return next((one for one in self.incidents(selector) if one.state == "active"), None)

        return await self._until(look, f"expected an incident with {selector.text()}, and there is none")

    def example(self, element_id: str, instance: int) -> dict[str, Any]:
        """The example data that the modeler wrote to an element."""
        diagram = self.kit.diagram_of(instance)
        element: Element | None = diagram.elements.get(element_id) if diagram is not None else None
        if element is None or not element.examples:
            raise ExpectationFailed(
                "example data", f"the element '{element_id}' has no example data in the diagram: write variables into the test case"
            )
        found: Any = json.loads(element.examples)
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def latest(self) -> int | None:
        """The process instance that was started last: its story goes with a failure that is about none in particular."""
        return max(self.kit.journal.instances, default=None)

    async def _until(self, look: Callable[[], Any], expected: str) -> Any:
        await self.kit.ready()
        return await self.kit.waiting.until(look, lambda: expected, instance=self.latest, timeout=self.patience)
