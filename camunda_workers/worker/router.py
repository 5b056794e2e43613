"""A set of workers with the resources they share; a runner takes one or more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, Unpack

from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.decorate import Worker, WorkerOptions, caller_names, worker

if TYPE_CHECKING:
    from pyzeebe import ZeebeTaskRouter

    from camunda_workers.worker.middleware import Middleware

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Factory: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]
"""Opens a resource when the runner starts and closes it when it has stopped."""

AnyWorker: TypeAlias = Worker[Any, Any]


class Router:
    """Workers that belong together.

    Args:
        workers: what ``@worker`` made.
        middleware: runs around each job of this router, outermost first.

    Raises:
        ConfigurationError: two of them serve one job type, or one is not a worker.
    """

    def __init__(self, *workers: AnyWorker, middleware: Iterable[Middleware] = ()) -> None:
        self._workers: dict[str, AnyWorker] = {}
        self._factories: dict[Any, Factory[Any]] = {}
        self._middleware = tuple(middleware)
        for one in workers:
            self.add(one)

    @property
    def workers(self) -> Sequence[AnyWorker]:
        """The workers, in the order they were added."""
        return tuple(self._workers.values())

    @property
    def factories(self) -> Mapping[Any, Factory[Any]]:
        """What is provided, and how it is opened."""
        return self._factories

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What runs around each job, outermost first."""
        return self._middleware

    def __iter__(self) -> Iterator[AnyWorker]:
        return iter(self.workers)

    def add(self, one: AnyWorker) -> None:
        """Adds a worker.

        Raises:
            ConfigurationError: its job type is taken, or it is not a worker.
        """
        # Checked although it is typed: a function without @worker is the likely slip.
        if not isinstance(one, Worker):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{one!r} is not a worker: decorate it with @worker('type-in-the-diagram')")
        refuse_twins(self._workers.get(one.definition.job_type), one)
        self._workers[one.definition.job_type] = one

    def provide(self, kind: type[T], factory: Factory[T]) -> None:
        """Makes a resource available to parameters annotated ``Annotated[kind, Provided]``.

        Args:
            kind: the type that parameters name.
            factory: called once when the runner starts; the async context manager is left when the runner has stopped.

        Raises:
            ConfigurationError: this type is provided already.
        """
        if kind in self._factories:
            raise ConfigurationError(f"{kind.__name__} is provided twice in one router: keep one factory")
        self._factories[kind] = factory

    def include_pyzeebe_router(self, router: ZeebeTaskRouter) -> None:
        """Adds the tasks of a pyzeebe ``ZeebeTaskRouter`` (or ``ZeebeWorker``) as they are; see docs/pyzeebe.md."""
        from camunda_workers.worker.pyzeebe_router import workers_of

        for one in workers_of(router, self.provide):
            self.add(one)

    def worker(self, job_type: str, **options: Unpack[WorkerOptions]) -> Callable[[Callable[P, R]], Worker[P, R]]:
        """`camunda_workers.worker` with the same options, and adds the worker to this router."""
        decorate = worker(job_type, local_names=caller_names(), **options)

        def add(function: Callable[P, R]) -> Worker[P, R]:
            one = decorate(function)
            self.add(one)
            return one

        return add


def refuse_twins(first: AnyWorker | None, second: AnyWorker) -> None:
    """Refuses two workers for one job type.

    Raises:
        ConfigurationError: names both functions.
    """
    if first is not None:
        raise ConfigurationError(
            f"two workers for job type '{second.definition.job_type}': {first.definition.name} and {second.definition.name}. "
            "Fix: keep one, or run them in different runners"
        )
