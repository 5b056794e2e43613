"""``@worker``: turns a function into a worker and leaves it a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypedDict, TypeVar

from camunda_workers.errors import BpmnError

if TYPE_CHECKING:
    from camunda_workers.worker.definition import Definition
    from camunda_workers.worker.retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_TIMEOUT = timedelta(minutes=1)
DEFAULT_LONGEST = timedelta(hours=1)


class WorkerOptions(TypedDict, total=False):
    """The options of `worker`."""

    errors: Iterable[type[BpmnError]]
    timeout: timedelta
    retries: RetryPolicy | None
    max_running: int | None
    fetch_variables: Sequence[str] | None
    result: str | None
    run: Literal["process"] | None
    stream: bool
    tenants: Sequence[str]
    extend: bool
    longest: timedelta | None
    idempotent: bool
    lease: bool


class Worker(Generic[P, R]):
    """A function with its definition; calling it calls the function, so it can be tested without an engine."""

    def __init__(self, function: Callable[P, R], definition: Definition) -> None:
        self._function = function
        self._definition = definition
        functools.update_wrapper(self, function)

    @property
    def definition(self) -> Definition:
        """What is known about the worker."""
        return self._definition

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself: no validation, no engine."""
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker '{self._definition.job_type}' {self._definition.name}>"


def worker(
    job_type: str,
    *,
    errors: Iterable[type[BpmnError]] = (),
    timeout: timedelta = DEFAULT_TIMEOUT,
    retries: RetryPolicy | None = None,
    max_running: int | None = None,
    fetch_variables: Sequence[str] | None = None,
    result: str | None = None,
    run: Literal["process"] | None = None,
    stream: bool = True,
    tenants: Sequence[str] = (),
    extend: bool = True,
    longest: timedelta | None = DEFAULT_LONGEST,
    idempotent: bool = False,
    lease: bool = False,
    local_names: Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, R]], Worker[P, R]]:
    """Makes a function the worker for a job type.

    Its parameters are process variables by name, validated by pydantic; one with a default is optional. ``Annotated`` says otherwise:
    `Variable` another name, `Header` a custom header, `Provided` a resource; a parameter of type `JobContext` is the job. What it returns
    (a pydantic model, dataclass, mapping) becomes variables. Plain functions run in a thread.

    Args:
        job_type: the type in the diagram's task definition.
        errors: BPMN errors the function may raise.
        timeout: how long the engine waits for the outcome before it gives the job to someone else.
        retries: when a failed job is tried again.
        max_running: how many jobs of this type run at once; 32, or the number of processors with ``run="process"``.
        fetch_variables: variables for ``JobContext.variables`` besides the parameters; ``"*"`` is all.
        result: the variable that takes the whole return.
        run: ``"process"`` runs a plain function that computes in processes of its own, which import its module. It takes variables and
            headers only.
        stream: have jobs pushed as well as fetched, where the engine offers it.
        tenants: whose jobs; those of the client when there are none.
        extend: extend a running job's timeout before it ends, so that no one else is given the job.
        longest: a job that still runs after this is failed, so that one that hangs does not hold its place for ever; ``None`` is never.
        idempotent: store the outcome, so that a second delivery of the same work reports it and does not repeat the effect.
        lease: have each try of a job marked by the engine (8.10), so that a late word about a superseded one is refused. For good: a job that had
            a lease once goes to workers with leases only, so all workers of the type must have it.
        local_names: names that annotations may use; by default those visible where the function is decorated.

    Raises:
        ConfigurationError: the function cannot work as it is written; names it and the fix.
    """
    names = caller_names() if local_names is None else local_names

    def decorate(function: Callable[P, R]) -> Worker[P, R]:
        # Imported here because it brings pydantic: importing the package must stay cheap for the command line.
        from camunda_workers.worker.definition import define

        definition = define(
            function,
            job_type,
            errors=errors,
            timeout=timeout,
            retries=retries,
            max_running=max_running,
            fetch_variables=fetch_variables,
            result_variable=result,
            local_names=names,
            run=run,
            stream=stream,
            tenants=tenants,
            extend=extend,
            longest=longest,
            idempotent=idempotent,
            lease=lease,
        )
        return Worker(function, definition)

    return decorate


def caller_names() -> Mapping[str, Any]:
    """Local names two calls up, where a worker is decorated: inside a function, annotations may use its local classes."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    if caller is None or caller.f_locals is caller.f_globals:
        return {}
    return dict(caller.f_locals)
