"""What a test does with processes: deploy, start, let time pass, send messages, work on tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from camunda_workers.client import DecisionResult, Deployment, Resource
from camunda_workers.client.deploy import collect
from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.testing.diagrams import read_processes
from camunda_workers.testing.failures import is_expectation, unknown
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.kit_core import Core

__tracebackhide__ = is_expectation


class Steps(Core):
    """Steps of a test."""

    async def deploy(self, *sources: Path | str | Resource) -> Deployment:
        """Deploy files, folders (every .bpmn, .dmn and .form below) and resources, all or none.

        Raises:
            BadResource: a file is refused; names it, the element where known, and what to do.
        """
        await self.ready()
        collected = await asyncio.to_thread(collect, sources)
        deployment = await self.client.deploy(*(Resource(one.name, self._replace.get(one.content, one.content)) for one in collected))
        self._deployed.update((resource.name, resource) for resource in collected)
        return deployment

    async def start(
        self, process_id: str, variables: Mapping[str, Any] | object | None = None, /, *, business_id: str | None = None, version: int = -1,
        tags: Sequence[str] = (), start_before: Sequence[str] = (), terminate_after: Sequence[str] = (), **more: Any,
    ) -> Instance:  # fmt: skip
        """Start a process instance.

        Args:
            process_id: the process's id in the diagram.
            variables: a mapping, pydantic model or dataclass; or variables as keyword arguments.
            business_id: what the case is known by outside.
            version: of the process; -1 for the latest.
            tags: kept with the instance.
            start_before: elements to start at, instead of the start event.
            terminate_after: elements after which the instance is terminated.
            more: further variables.

        Raises:
            UnknownName: no such process is deployed; names near ones.
        """
        await self.ready()
        given: Any = (
            {**(variables if isinstance(variables, Mapping) else {}), **more} if more or isinstance(variables, Mapping) else variables
        )
        try:
            created = await self._timed(
                self.ground.create(
                    process_id, given, version=version, business_id=business_id, tags=tags, start_before=start_before,
                    terminate_after=terminate_after,
                ),
                f"start '{process_id}'",
            )  # fmt: skip
        except NotFound as error:
            await self.waiting.look_around()
            known = {one.process_id for one in self.journal.processes.values()}
            known.update(one for resource in self._deployed.values() for one in read_processes(resource.content))
            raise unknown("process", process_id, "what is deployed", known) from error
        return Instance(self, created.process_instance_key, process_id)

    async def advance(self, by: timedelta | None = None, **units: float) -> None:
        """Move time forward: ``advance(hours=49)``, ``advance(timedelta(days=2))``. Everything that is due on the way happens.

        Raises:
            InvalidArgument: backwards, or nothing said.
        """
        try:
            span = by if by is not None else timedelta(**units)
        except TypeError as error:
            raise InvalidArgument(f"advance: {error}; write advance(hours=49), or give a timedelta") from None
        if by is None and not units:
            raise InvalidArgument("advance by how much? advance(hours=49), or give a timedelta")
        if span < timedelta(0):
            raise InvalidArgument(f"time does not go backwards: advance({span}) would; start a fresh engine instead")
        await self.settle()
        await self.ground.advance(span, self.timeout)

    async def advance_to(self, moment: datetime) -> None:
        """Move time forward to a moment (aware).

        Raises:
            InvalidArgument: it is past, or has no time zone.
        """
        if moment.tzinfo is None:
            raise InvalidArgument(f"{moment.isoformat()} has no time zone: the engine could not tell when that is")
        now = self.now()
        if moment < now:
            raise InvalidArgument(
                f"time does not go backwards: it is {now.isoformat(timespec='seconds')}, {moment.isoformat(timespec='seconds')} has passed"
            )
        await self.advance(moment - now)

    async def publish(
        self, name: str, correlation_key: str = "", variables: Mapping[str, Any] | None = None, /, *, ttl: timedelta = timedelta(0),
        message_id: str = "", **more: Any,
    ) -> None:  # fmt: skip
        """Publish a message once the engine has settled; by default it is gone when nobody waits for it."""
        await self.settle()
        await self.client.publish_message(name, correlation_key, {**(variables or {}), **more}, ttl=ttl, message_id=message_id)

    async def correlate(self, name: str, correlation_key: str = "", variables: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Correlate a message once the engine has settled.

        Raises:
            NotFound: nobody waits for it.
        """
        await self.settle()
        await self._timed(self.ground.correlate(name, correlation_key, {**(variables or {}), **more}), f"correlating message '{name}'")

    async def broadcast(self, name: str, variables: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Broadcast a signal once the engine has settled."""
        await self.settle()
        await self.client.broadcast_signal(name, {**(variables or {}), **more})

    async def evaluate(self, decision_id: str, variables: Mapping[str, Any] | None = None, /, **more: Any) -> DecisionResult:
        """Evaluate a deployed decision by itself."""
        await self.ready()
        return await self.client.evaluate_decision(decision_id, {**(variables or {}), **more})

    async def task(self, instance: Instance, element_id: str | None = None, /) -> UserTask:
        """The user task that waits at an element (or anywhere), as soon as it is there.

        Raises:
            ExpectationFailed: there is none; tells the instance's story.
        """
        await self.ready()
        if element_id is not None:
            await self.check_element(instance, element_id)
        keys = lambda: self.journal.descendants(instance.key)  # noqa: E731

        def look() -> UserTask | None:
            here = keys()
            found = [
                t
                for t in self.journal.tasks.values()
                if t.instance in here and t.state == "created" and element_id in (None, t.value["elementId"])
            ]
            return UserTask(self, found[-1].key) if found else None

        what = f"a user task at '{element_id}'" if element_id is not None else "a user task"
        return await self.waiting.until(look, lambda: f"expected {what}, and there is none", instance=instance.key)

    async def resolve_incident(self, instance: Instance, element_id: str | None = None, /, *, retries: int = 1) -> None:
        """Resolve the incident (at an element); a job gets retries first."""
        await self.ready()

        def look() -> tuple[int, int] | None:
            for one in self.journal.of_instance(instance.key):
                if element_id in (None, one.value["elementId"]):
                    return one.key, one.value["jobKey"]
            return None

        where = f" at '{element_id}'" if element_id is not None else ""
        incident, job = await self.waiting.until(
            look, lambda: f"expected an incident{where} to resolve, and there is none", instance=instance.key
        )
        if job > 0:
            await self.client.update_job_retries(job, retries)
        await self.client.resolve_incident(incident)
