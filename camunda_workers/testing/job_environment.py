"""Runs one worker function alone: no engine, but everything around the call is real (validation, outcome, retry policy)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from camunda_workers.client.business_id import tags_with
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.variables import to_json, to_jsonable
from camunda_workers.errors import ConfigurationError, NotFound
from camunda_workers.testing.failures import near
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.decorate import Worker
from camunda_workers.worker.definition import ALL, NO_VARIABLE, Definition
from camunda_workers.worker.executor import Executor
from camunda_workers.worker.middleware import Middleware
from camunda_workers.worker.outcome import Completed, Outcome

_MINUTE = timedelta(minutes=1)


class JobEnvironment:
    """The surroundings of one job.

    ::

        environment = JobEnvironment(headers={"channel": "email"}, retries=1)
        outcome = await environment.run(tell_claimant, claim=CLAIM, resources={Mailer: mailer})
        assert outcome == Completed({"sent": True})

    Args:
        headers: the task's custom headers.
        retries: tries that are left, this one included; 1 is the last.
        timeout: how long until the engine gives the job to someone else.
        element_id: the task in the diagram.
        bpmn_process_id: its process.
        business_id: the case.
        tags: of the process instance.
        kind: what the job stands for, ``TASK_LISTENER`` for example.
        listener_event: what a listener listens to, ``COMPLETING`` for example.
        user_task: the user task in a task listener's job: fields of the gateway's message (assignee, candidateGroups ...).
        is_gone: whether the engine no longer has the job; extending it says so.
        middleware: runs around the call, outermost first.

    Attributes:
        extended: the timeouts that the function asked for.
    """

    def __init__(
        self, *, headers: Mapping[str, str] | None = None, retries: int = 3, timeout: timedelta = _MINUTE, element_id: str = "task",
        bpmn_process_id: str = "process", business_id: str | None = None, tags: Sequence[str] = (), kind: str = "BPMN_ELEMENT",
        listener_event: str = "UNSPECIFIED", user_task: Mapping[str, Any] | None = None, is_gone: bool = False,
        middleware: Sequence[Middleware] = (),
    ) -> None:  # fmt: skip
        self._headers = {name: str(value) for name, value in (headers or {}).items()}
        self._retries, self._timeout, self._is_gone = retries, timeout, is_gone
        self._place = (element_id, bpmn_process_id)
        self._tags = tags_with(business_id, tags, native=False)
        self._kind = (
            _enum(pb.ActivatedJob.JobKind, "kind", kind),
            _enum(pb.ActivatedJob.ListenerEventType, "listener_event", listener_event),
        )
        self._user_task = user_task
        self._middleware = tuple(middleware)
        self._keys = itertools.count(1)
        self._context: JobContext | None = None
        self._running: asyncio.Future[Any] | None = None
        self.extended: list[timedelta] = []

    async def run(
        self,
        worker: Worker[..., Any],
        variables: Mapping[str, Any] | None = None,
        /,
        *,
        resources: Mapping[Any, object] | None = None,
        **more: Any,
    ) -> Outcome:
        """Run the function with these process variables and return how the job would end.

        Args:
            worker: what ``@worker`` made.
            variables: a mapping; or variables as keyword arguments. Models become what the engine would send.
            resources: what ``Annotated[T, Provided]`` parameters get, by type.
            more: further variables.

        Raises:
            ConfigurationError: a resource is missing.
        """
        definition = worker.definition
        executor = Executor(definition, resources=_resources(definition, resources or {}), middleware=self._middleware)
        self._context = JobContext(self._job(definition, {**(variables or {}), **more}), gateway=self, timeout=self._timeout)
        self._running = asyncio.ensure_future(executor.run(self._context))
        try:
            report = await self._running
        finally:
            self._running = None
        outcome = report.outcome
        return Completed(report.variables, outcome.result) if isinstance(outcome, Completed) else outcome

    async def value(self, worker: Worker[..., Any], variables: Mapping[str, Any] | None = None, /, **more: Any) -> Mapping[str, Any]:
        """Run the function and return the variables it sets; an AssertionError when its job would not complete."""
        outcome = await self.run(worker, variables, **more)
        if not isinstance(outcome, Completed):
            raise AssertionError(f"{worker.definition.name} should have completed its job, but: {outcome}")
        return outcome.variables

    def cancel(self, reason: str = "the test cancels it") -> None:
        """Cancel the running function as a stopping worker does; in a thread it finds out by ``job.is_cancelled()``."""
        if self._context is None or self._running is None:
            raise ConfigurationError("there is nothing to cancel: run the function in a task first")
        self._context.cancel(reason)
        self._running.cancel(reason)

    async def update_job_timeout(self, job_key: int, timeout: timedelta) -> None:
        """What ``job.extend`` calls."""
        if self._is_gone:
            raise NotFound(f"the job {job_key} is not there any more")
        self.extended.append(timeout)

    def _job(self, definition: Definition, variables: Mapping[str, Any]) -> pb.ActivatedJob:
        wanted = definition.fetch_variables
        sent = to_jsonable(variables)
        if wanted and wanted != (ALL,):
            sent = {name: value for name, value in sent.items() if name in wanted and name != NO_VARIABLE}
        key = next(self._keys)
        job = pb.ActivatedJob(
            key=key, type=definition.job_type, processInstanceKey=1, bpmnProcessId=self._place[1], processDefinitionVersion=1,
            processDefinitionKey=1, elementId=self._place[0], elementInstanceKey=key, customHeaders=to_json(self._headers), worker="test",
            retries=self._retries, deadline=int((datetime.now(UTC) + self._timeout).timestamp() * 1000), variables=to_json(sent),
            tenantId="<default>", tags=self._tags, kind=self._kind[0], listenerEventType=self._kind[1],
        )  # fmt: skip
        if self._user_task is not None:
            job.userTask.CopyFrom(pb.UserTaskProperties(**self._user_task))
        return job


def _enum(kind: Any, what: str, name: str) -> Any:
    try:
        return kind.Value(name)
    except ValueError:
        known: list[str] = list(kind.keys())
        raise ConfigurationError(
            f"JobEnvironment: there is no {what} '{name}'; there are {', '.join(near(name, known) or known)}"
        ) from None


def _resources(definition: Definition, given: Mapping[Any, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, kind in definition.parameters.resources.items():
        if kind not in given:
            shown = getattr(cast("Callable[..., Any]", kind), "__name__", str(kind))
            raise ConfigurationError(f"{definition.name} needs {shown} for its parameter '{name}': run(..., resources={{{shown}: …}})")
        found[name] = given[kind]
    return found
