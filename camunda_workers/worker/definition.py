"""A worker's definition: everything known about it when it is decorated, checked then and frozen."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, get_type_hints

from camunda_workers.errors import BpmnError, ConfigurationError
from camunda_workers.worker import parameters, result
from camunda_workers.worker.parameters import Parameters
from camunda_workers.worker.retry import RetryPolicy

ALL: Final = "*"
"""``fetch_variables=ALL`` fetches every variable that is visible at the task."""

DEFAULT_MAX_RUNNING: Final = 32

NO_VARIABLE: Final = "camunda-workers:none"
"""The engine takes an empty list for "every variable", so a function that wants none asks for one that nobody has."""


class Run(StrEnum):
    """Where a function runs."""

    LOOP = "loop"
    """In the event loop: an async function."""
    THREAD = "thread"
    """In a thread: a plain function."""
    PROCESS = "process"
    """In a process of its own: a plain function that computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is known about a worker.

    Attributes:
        job_type: the type in the diagram's task definition.
        function: the function itself.
        name: its module and qualified name, for messages.
        run: where it runs.
        parameters: where its arguments come from.
        result: the variable that takes the whole return; ``None`` when the return is a set of variables.
        errors: BPMN errors it may raise.
        timeout: how long the engine waits for the outcome.
        retries: when a failed job is tried again.
        max_running: how many jobs run at once.
        fetch_variables: what is fetched of the variables; empty is everything.
        stream: whether jobs are pushed as well as fetched.
        tenant_ids: whose jobs; empty is as the client says.
        extend: whether a running job's timeout is extended before it ends.
        longest: after this a job that still runs is failed; ``None`` is never.
        idempotent: whether its outcome is stored, so that a second delivery does not repeat the effect.
        max_batch: how many jobs one request asks for at most; ``None`` is as many as there is room for.
        lease: whether jobs are activated with a lease.
    """

    job_type: str
    function: Callable[..., Any]
    name: str
    run: Run
    parameters: Parameters
    result: str | None
    errors: tuple[type[BpmnError], ...]
    timeout: timedelta
    retries: RetryPolicy
    max_running: int
    fetch_variables: tuple[str, ...]
    stream: bool = True
    tenant_ids: tuple[str, ...] = ()
    extend: bool = True
    longest: timedelta | None = None
    idempotent: bool = False
    max_batch: int | None = None
    lease: bool = False

    @property
    def error_codes(self) -> frozenset[str]:
        """The codes of the declared BPMN errors."""
        return frozenset(error.code for error in self.errors)


def define(
    function: Callable[..., Any],
    job_type: str,
    *,
    errors: Iterable[type[BpmnError]],
    timeout: timedelta,
    retries: RetryPolicy | None,
    max_running: int | None,
    fetch_variables: Sequence[str] | None,
    result_variable: str | None,
    local_names: Mapping[str, Any] | None,
    run: str | None = None,
    stream: bool = True,
    tenants: Sequence[str] = (),
    extend: bool = True,
    longest: timedelta | None = None,
    idempotent: bool = False,
    lease: bool = False,
) -> Definition:
    """Checks a worker and freezes what is known about it.

    Args:
        function: the worker function.
        job_type: the type in the diagram.
        errors: BPMN errors it may raise.
        timeout: how long the engine waits for the outcome.
        retries: when a failed job is tried again; ``None`` is the default policy.
        max_running: how many jobs run at once; ``None`` is 32, or the number of processors with ``run="process"``.
        fetch_variables: variables to fetch besides those that are parameters, or `ALL`.
        result_variable: the variable that takes the whole return.
        local_names: names visible where the function is defined, for annotations of functions inside functions.
        run: ``"process"`` to run it in a process.
        stream: whether jobs are pushed as well as fetched.
        tenants: whose jobs.
        extend: whether a running job's timeout is extended.
        longest: after this a job that still runs is failed.
        idempotent: whether its outcome is stored for a second delivery.
        lease: whether jobs are activated with a lease.

    Raises:
        ConfigurationError: the worker cannot work as it is written; names the function and the fix.
    """
    name = function_name(function)
    if not job_type or not job_type.strip():
        raise ConfigurationError(f"{name}: the job type is empty: write @worker('type-in-the-diagram')")
    if timeout <= timedelta(0):
        raise ConfigurationError(f"{name}: the timeout must be longer than nothing, not {timeout}")
    if max_running is not None and max_running < 1:
        raise ConfigurationError(f"{name}: max_running must be at least 1, not {max_running}")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError(f"{name} is a generator; a worker returns its result once")
    hints = _hints(function, name, local_names)
    plan = parameters.plan(function, hints, where=name)
    where = _run(function, plan, run, name)
    if longest is not None and longest <= timedelta(0):
        raise ConfigurationError(f"{name}: longest must be longer than nothing, not {longest}")
    result.check_return(hints.get("return", Any), result=result_variable, where=name)
    return Definition(
        job_type=job_type,
        function=function,
        name=name,
        run=where,
        parameters=plan,
        result=result_variable,
        errors=_errors(errors, name),
        timeout=timeout,
        retries=retries or RetryPolicy(),
        max_running=max_running or ((os.cpu_count() or 1) if where is Run.PROCESS else DEFAULT_MAX_RUNNING),
        fetch_variables=fetched(plan, fetch_variables),
        stream=stream,
        tenant_ids=tuple(tenants),
        extend=extend,
        longest=longest,
        idempotent=idempotent,
        lease=lease,
    )


def function_name(function: Callable[..., Any]) -> str:
    """Module and qualified name of a function."""
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


def _hints(function: Callable[..., Any], name: str, local_names: Mapping[str, Any] | None) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(target, localns=dict(local_names) if local_names else None, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(
            f"{name}: an annotation cannot be resolved ({error}). Fix: import the name where the function is defined"
        ) from error


def _run(function: Callable[..., Any], plan: Parameters, run: str | None, name: str) -> Run:
    if run is None:
        return Run.LOOP if _is_async(function) else Run.THREAD
    if run != Run.PROCESS:
        raise ConfigurationError(f"{name}: run='{run}' is not known; leave it out, or write run='process'")
    if _is_async(function):
        raise ConfigurationError(f"{name}: run='process' is for a plain function that computes, not for an async one")
    if "<" in name or not inspect.isfunction(function):
        raise ConfigurationError(f"{name}: run='process' needs a function at the top of a module, because the process imports it by name")
    if plan.contexts or plan.resources:
        raise ConfigurationError(f"{name}: run='process' has no job and no resources in its process: take variables and headers only")
    return Run.PROCESS


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object with an async __call__


def _errors(errors: Iterable[type[BpmnError]], name: str) -> tuple[type[BpmnError], ...]:
    declared = tuple(errors)
    for error in declared:
        # Checked although it is typed: a string or an instance here is a likely slip, and it would only be found when the error is raised.
        if not (isinstance(error, type) and issubclass(error, BpmnError) and error.code):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{name}: errors=[...] takes subclasses of BpmnError with a code, not {error!r}")
    return declared


def fetched(plan: Parameters, more: Sequence[str] | None) -> tuple[str, ...]:
    """What to ask the engine for; empty is everything."""
    if plan.takes_rest or more == ALL or (more is not None and ALL in more):
        return ()
    names = dict.fromkeys([*plan.variables.names.values(), *([more] if isinstance(more, str) else more or ())])
    return tuple(names) or (NO_VARIABLE,)
