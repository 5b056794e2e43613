"""The kit: one fresh engine and everything that a test does with it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from camunda_workers.client import Client, DecisionResult, Deployment, Resource
from camunda_workers.errors import BpmnError, ConfigurationError, EngineUnavailable, InvalidArgument, JobFailed, NotFound
from camunda_workers.events.recording import save_recording
from camunda_workers.testing import stand_ins
from camunda_workers.testing.crew import Crew, Later, routers_of
from camunda_workers.testing.diagrams import ProcessDiagram, read_processes
from camunda_workers.testing.embedded import EmbeddedGround
from camunda_workers.testing.facts import ElementFact
from camunda_workers.testing.failures import ExpectationFailed, is_expectation, unknown
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.mocks import Answers, MockJob, answers_of
from camunda_workers.testing.story import text_of
from camunda_workers.testing.waiting import Waiting
from camunda_workers.worker.decorate import Worker, worker
from camunda_workers.worker.router import Router

if TYPE_CHECKING:
    from camunda_workers.testing.ground import Ground
    from camunda_workers.worker.runner import WorkerRunner

__tracebackhide__ = is_expectation

T = TypeVar("T")

DEFAULT_TIMEOUT = 10.0
"""Seconds after which an expectation or a command gives up; Camunda Process Test waits as long."""


class CamundaTest:
    """A test's engine: an async context manager, and what the fixture ``camunda`` gives.

    ::

        async with CamundaTest() as camunda:
            await camunda.deploy("order.bpmn")
            camunda.mock_job("price", returns={"amount": 120})
            order = await camunda.start("order", customer="Ada")
            await expect(order).to_be_completed()

    Args:
        ground: the engine; a fresh embedded one by default.
        timeout: seconds after which an expectation or a command gives up.
        on_close: told the journal when the test is over (coverage, recordings).
    """

    def __init__(
        self, ground: Ground | None = None, *, timeout: float = DEFAULT_TIMEOUT, on_close: Callable[[Journal], None] | None = None
    ) -> None:
        self.ground: Ground = ground or EmbeddedGround()
        self.timeout = timeout
        self._on_close = on_close
        self._crew = Crew(self.ground.serves)
        self.waiting = Waiting(self.ground, self._crew.served, timeout)
        self._later: list[Later[Any]] = []
        self._recordings: list[Path] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise ConfigurationError("a CamundaTest is used once: make a new one for a fresh engine")
        self._loop = asyncio.get_running_loop()
        await self.ground.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the workers and the engine. Whatever state the test left behind, nothing of it reaches the next one."""
        complaints = await self._crew.stop()
        try:
            if (self._on_close is not None or self._recordings) and self.ground.healthy():
                await self.journal.catch_up()
                for path in self._recordings:
                    save_recording(self.journal.lines, path)
                if self._on_close is not None:
                    self._on_close(self.journal)
        finally:
            await self.ground.stop()
        for complaint in complaints:
            warnings.warn(complaint, ResourceWarning, stacklevel=2)

    # -- what there is ------------------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The client of the engine, for commands that the kit has no words for."""
        self._check()
        return self.ground.client

    @property
    def journal(self) -> Journal:
        """What the engine's records say; read as far as the last step of the test."""
        return self.ground.journal

    def now(self) -> datetime:
        """The engine's time (UTC)."""
        return self.ground.now()

    async def up_to_date(self) -> None:
        """Do what is pending and read the engine's records."""
        await self.ready()
        await self.waiting.look_around()

    def diagram_of(self, instance: int) -> ProcessDiagram | None:
        """The diagram of a process instance."""
        fact = self.journal.instances.get(instance)
        process = self.journal.processes.get(fact.definition) if fact is not None else None
        return read_processes(process.content).get(process.process_id) if process is not None else None

    # -- what a test does ---------------------------------------------------------------------------------------------------------

    async def deploy(self, *sources: Path | str | Resource) -> Deployment:
        """Deploy files, folders (every .bpmn, .dmn and .form below) and resources, all or none.

        Raises:
            BadResource: a file is refused; names it, the element where known, and what to do.
        """
        await self.ready()
        return await self.client.deploy(*sources)

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
            raise unknown("process", process_id, "what is deployed", {one.process_id for one in self.journal.processes.values()}) from error
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

    def record(self, path: Path | str) -> None:
        """Save this test's records to a file when it ends, however it ends; ``camunda-workers case show --from`` opens it as a timeline."""
        self._recordings.append(Path(path))

    async def settle(self) -> None:
        """Wait until nothing more happens by itself; an ExpectationFailed names the worker that does not let go."""
        await self.ready()
        if self.ground.knows_quiet:
            await self.waiting.settled()
        else:
            await self.waiting.look_around()

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

    # -- who does the work --------------------------------------------------------------------------------------------------------

    def mock_job(
        self, job_type: str, *, returns: Answers = None, throws: str | BpmnError | type[BpmnError] | None = None,
        fails: str | JobFailed | None = None, denies: str | None = None, retries: int | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> MockJob:  # fmt: skip
        """Do the jobs of a type without the real worker (listeners' jobs as well).

        Args:
            job_type: the type in the diagram.
            returns: variables; a function of the job (it may be async, and raise); or several answers one after the other.
            throws: a BPMN error's code, or the error.
            fails: why each try fails; ``retries`` says how many are left (one less each time by default), 0 is an incident at once.
            denies: the reason with which a task listener refuses.
            retries: see ``fails``.
            variables: go with ``throws`` and ``fails``.

        Returns:
            The mock; its ``calls`` are what it was asked. Calling ``mock_job`` again for the type changes its answers.
        """
        self._check()
        return self._crew.mock(MockJob(job_type, answers_of(job_type, returns, throws, fails, denies, retries, variables)), self.client)

    @overload
    def worker(self, *workers: Worker[..., Any] | Router, resources: Mapping[Any, object] | None = None) -> Later[WorkerRunner]: ...
    @overload
    def worker(self, *workers: str, resources: Mapping[Any, object] | None = None) -> Callable[[Callable[..., Any]], Worker[..., Any]]: ...
    def worker(self, *workers: Any, resources: Mapping[Any, object] | None = None) -> Any:
        """Run real workers beside the mocks: ``camunda.worker(check_policy)``, ``camunda.worker(router)``, ``@camunda.worker("price")``.

        Args:
            workers: what ``@worker`` made, routers, or one job type for use as a decorator.
            resources: open resources by type, instead of those that the routers provide.
        """
        self._check()
        if len(workers) == 1 and isinstance(workers[0], str):

            def decorate(function: Callable[..., Any]) -> Worker[..., Any]:
                made = worker(str(workers[0]))(function)
                self._soon(lambda: self._crew.start([Router(made)], self.client, resources or {}))
                return made

            return decorate
        routers = routers_of(workers)
        return self._soon(lambda: self._crew.start(routers, self.client, resources or {}))

    def mock_decision(self, decision_id: str, *, returns: Any) -> Later[Deployment]:
        """Let a decision answer this, whatever its inputs; deployed as its newest version before the next step."""
        return self._soon(lambda: self.client.deploy(stand_ins.decision(decision_id, returns)))

    def mock_child_process(
        self, process_id: str, *, returns: Mapping[str, Any] | None = None, throws: str | None = None
    ) -> Later[Deployment]:
        """Let a called process end at once with these variables (or a BPMN error); deployed as its newest version before the next step."""
        return self._soon(lambda: self.client.deploy(stand_ins.process(process_id, returns or {}, throws)))

    # -- for handles and expectations ---------------------------------------------------------------------------------------------

    async def check_element(self, instance: Instance, *element_ids: str) -> None:
        """Refuse ids that neither the instance's diagram nor one that it calls has.

        Raises:
            UnknownName: names near ones.
        """
        await self.ready()
        if instance.fact() is None:
            await self.waiting.look_around()
        known: dict[str, None] = {}
        for key in self.journal.descendants(instance.key):
            diagram = self.diagram_of(key)
            if diagram is None or not diagram.elements:
                return
            known.update(dict.fromkeys([*diagram.elements, *diagram.flows]))
        if any(one not in known for one in element_ids):
            await self.waiting.look_around()  # a called process may have begun since
            for key in self.journal.descendants(instance.key):
                if (diagram := self.diagram_of(key)) is not None:
                    known.update(dict.fromkeys([*diagram.elements, *diagram.flows]))
        for one in element_ids:
            if one not in known:
                raise unknown("element", one, f"process '{instance.process_id}'", known)

    async def active_element(self, instance: Instance, element_id: str) -> ElementFact:
        """The element instance that is active at an element, as soon as there is one."""
        await self.check_element(instance, element_id)

        def look() -> ElementFact | None:
            fact = instance.fact()
            return next((one for one in fact.active() if one.element_id == element_id), None) if fact is not None else None

        return await self.waiting.until(look, lambda: f"expected '{element_id}' to be active", instance=instance.key)

    async def do(self, command: Awaitable[T], instance: int | None) -> T:
        """Await a command, but not for ever."""
        await self.ready()
        return await self._timed(command, "the command", instance)

    def _soon(self, do: Callable[[], Awaitable[T]]) -> Later[T]:
        self._check()
        later = Later(do)
        self._later.append(later)
        return later

    async def ready(self) -> None:
        """Do what is pending: deployments of mocks, workers that have yet to start."""
        self._check()
        while self._later:
            await self._later.pop(0)
        await self._crew.ready()

    async def _timed(self, command: Awaitable[T], what: str, instance: int | None = None) -> T:
        try:
            async with asyncio.timeout(self.timeout):
                return await command
        except TimeoutError:
            text = f"{what} got no answer within {self.timeout:g} s"
            story = f"\n\n{await text_of(self.journal, instance)}" if instance is not None else ""
            raise ExpectationFailed(text, text + story) from None

    def _check(self) -> None:
        if self._loop is None:
            raise EngineUnavailable("the test's engine has not been started: use 'async with CamundaTest() as camunda'")
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigurationError(
                "this CamundaTest was started in another event loop: fixture and test need the same loop scope "
                "(asyncio_default_fixture_loop_scope and asyncio_default_test_loop_scope)"
            )
        if not self.ground.healthy():
            raise ExpectationFailed("the engine runs", "the engine was stopped in mid-test: nothing can be done with it any more")
