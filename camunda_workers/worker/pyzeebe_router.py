"""Runs the tasks of an existing pyzeebe project on this runtime: its functions, decorators and exception handlers stay as they are.

pyzeebe's own code calls the function: the task's job handler is the one that pyzeebe built, with its decorators and its rules for arguments.
Only what it would send to the engine is caught and becomes this runtime's outcome, so that the report is shielded, repeated and counted like
every other.
"""

from __future__ import annotations

import functools
import json
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from pyzeebe import Job, JobController, ZeebeTaskRouter
from pyzeebe.errors import JobAlreadyDeactivatedError
from pyzeebe.function_tools.async_tools import is_async_function
from pyzeebe.task import task_builder
from pyzeebe.task.task import Task

from camunda_workers.client.variables import plain_value
from camunda_workers.errors import BpmnError, CamundaWorkersError, ConfigurationError
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.decorate import Worker
from camunda_workers.worker.definition import Definition, define, function_name
from camunda_workers.worker.outcome import Bpmn, Completed, Failed, Outcome
from camunda_workers.worker.parameters import InvalidInput, Parameters, Source, read_object
from camunda_workers.worker.rules import ANY_CODE
from camunda_workers.worker.threads import Threads

Provide = Callable[[type[Threads], Callable[[], AbstractAsyncContextManager[Threads]]], None]

_Handler = Callable[[Job, JobController], Awaitable[Job]]


class _AnyError(BpmnError):
    """pyzeebe declares no errors: its tasks may throw every code."""

    code = ANY_CODE


def workers_of(router: ZeebeTaskRouter, provide: Provide) -> list[Worker[..., Any]]:
    """The tasks of a pyzeebe router, or of a whole ``ZeebeWorker``, as workers.

    Args:
        router: as the project has it; tasks that are added to it later are not seen.
        provide: takes the threads in which plain functions run, for as long as the runner lives.

    Raises:
        ConfigurationError: this is not a pyzeebe router, or one of its tasks cannot work as it is configured.
    """
    # Checked although it is typed: a router of this package is the likely slip.
    if not isinstance(router, ZeebeTaskRouter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{router!r} is not a pyzeebe ZeebeTaskRouter or ZeebeWorker")
    plain = [task for task in router.tasks if not is_async_function(task.original_function)]
    kind = cast("type[Threads]", types.new_class("PyzeebeThreads", (Threads,)))
    if plain:
        most = sum(task.config.max_running_jobs for task in plain)

        @asynccontextmanager
        async def open_threads() -> AsyncGenerator[Threads]:
            threads = Threads("pyzeebe", most)
            try:
                yield threads
            finally:
                threads.close()

        provide(kind, open_threads)
    return [_worker(task, kind if task in plain else None) for task in router.tasks]


def _worker(task: Task, threads: type[Threads] | None) -> Worker[..., Any]:
    @functools.lru_cache(maxsize=1)
    def in_threads(pool: Threads) -> _Handler:
        # pyzeebe's own way is the loop's default executor, which has four threads more than there are cores, whatever the cap says.
        return task_builder.build_job_handler(_in_threads(task.original_function, pool), task.config)

    async def run(job: JobContext, threads: Threads | None = None) -> Outcome:
        return await _run(task.job_handler if threads is None else in_threads(threads), job)

    return Worker(task.original_function, _definition(run, task, threads))


def _definition(run: Callable[..., Any], task: Task, threads: type[Threads] | None) -> Definition:
    async def template() -> None:
        """Has no parameters: pyzeebe hands the variables over."""

    config = task.config
    definition = define(
        template,
        config.type,
        errors=[_AnyError],
        timeout=timedelta(milliseconds=config.timeout_ms),
        retries=None,
        max_running=config.max_running_jobs,
        fetch_variables=None,
        result_variable=None,
        local_names=None,
    )
    parameters = Parameters(
        variables=Source("variable"),
        headers=Source("header"),
        resources={} if threads is None else {"threads": threads},
        contexts=("job",),
        takes_rest=False,
    )
    if config.max_jobs_to_activate < 1:
        raise ConfigurationError(f"{function_name(task.original_function)}: max_jobs_to_activate must be at least 1")
    return replace(
        definition,
        function=run,
        name=function_name(task.original_function),
        parameters=parameters,
        fetch_variables=tuple(config.variables_to_fetch or ()),
        max_batch=config.max_jobs_to_activate,
    )


async def _run(handler: _Handler, context: JobContext) -> Outcome:
    try:
        job = _job(context)
    except InvalidInput as error:
        return Failed(str(error), cause=error)
    caught = _Caught()
    try:
        await handler(job, JobController(job, cast("Any", caught)))
    except JobAlreadyDeactivatedError:
        # As in pyzeebe: the first word about a job holds, a second one is noted and changes nothing.
        context.logger.warning("pyzeebe.second_status", status=job.status.value)
    if caught.outcome is not None:
        return caught.outcome
    # The exception handler set no status. pyzeebe then leaves the job to its timeout, which uses up no retry; so does this.
    wait = timedelta(seconds=max(0.0, context.remaining()))
    return Failed("the exception handler set no status for the job", retries=context.retries, back_off=wait)


class _Caught:
    """Takes the place of pyzeebe's gateway adapter behind a `JobController`: notes what it would send."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None

    async def complete_job(self, job_key: int, variables: Any) -> None:
        self._note(job_key, variables, Completed)

    async def fail_job(self, job_key: int, retries: int, message: str, retry_back_off_ms: int, variables: Any) -> None:
        back_off = timedelta(milliseconds=retry_back_off_ms)
        self._note(job_key, variables, lambda plain: Failed(str(message), max(0, retries), back_off, plain))

    async def throw_error(self, job_key: int, message: str, variables: Any, error_code: str = "") -> None:
        self._note(job_key, variables, lambda plain: Bpmn(error_code, str(message), plain))

    def _note(self, job_key: int, variables: Any, outcome: Callable[[Mapping[str, Any]], Outcome]) -> None:
        if self.outcome is not None:
            raise JobAlreadyDeactivatedError(job_key)
        try:
            self.outcome = outcome(_plain(variables))
        except (TypeError, ValueError, RecursionError, CamundaWorkersError) as error:
            # pyzeebe would leave such a job to its timeout, and to the same error again, for ever.
            self.outcome = Failed(f"the result cannot be sent: {error}", cause=error)


def _plain(variables: Any) -> Mapping[str, Any]:
    """What pyzeebe's ``json.dumps`` would send, and beyond that what this runtime can write (models, dates)."""
    plain = json.loads(json.dumps(variables or {}, default=functools.partial(plain_value, what="variables")))
    if not isinstance(plain, dict):
        kind = type(variables).__name__
        raise TypeError(f"the task returned {kind}, which is not a set of named variables. Fix: return a dict, or use single_value=True")
    return cast("dict[str, Any]", plain)


def _job(context: JobContext) -> Job:
    return Job(
        key=context.key,
        type=context.type,
        process_instance_key=context.process_instance_key,
        bpmn_process_id=context.bpmn_process_id,
        process_definition_version=context.process_version,
        process_definition_key=context.process_definition_key,
        element_id=context.element_id,
        element_instance_key=context.element_instance_key,
        custom_headers=types.MappingProxyType(read_object(context.headers_json, "header")),
        worker=context.worker,
        retries=context.retries,
        deadline=round(context.deadline.timestamp() * 1000),
        variables=types.MappingProxyType(read_object(context.variables_json, "variable")),
        tenant_id=context.tenant_id,
    )


def _in_threads(function: Callable[..., Any], threads: Threads) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await threads.run(functools.partial(function, *args, **kwargs))

    return call
