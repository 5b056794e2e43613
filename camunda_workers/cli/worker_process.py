"""One process of ``camunda-workers worker run``: everything put together and run until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import structlog

from camunda_workers.app import load_reference, work_recorded
from camunda_workers.cli.listeners import auditing_here, deployed_check, desk_here, engine_check, listener_check, with_listeners
from camunda_workers.cli.log_options import open_log
from camunda_workers.client import Client
from camunda_workers.errors import CamundaWorkersError, ConfigurationError, MissingExtra
from camunda_workers.logs import configure_logging
from camunda_workers.project import ProjectFile, find_project_file
from camunda_workers.settings import Settings, load_project, worker_variables
from camunda_workers.worker import Polling, Router, Worker, WorkerRunner
from camunda_workers.worker.middleware import Middleware
from camunda_workers.worker.middlewares import Redaction, log_jobs
from camunda_workers.worker.overrides import from_environment, merged
from camunda_workers.worker.probes import Probes, live, metrics, ready
from camunda_workers.worker.run import run_until_stopped

_log = structlog.get_logger("camunda_workers.worker")


@dataclass(frozen=True, slots=True)
class Options:
    """What one process runs; sent to child processes.

    Attributes:
        modules: routers as ``module:name``; those of the project file when empty.
        folder: where modules are imported from when there is no project file.
        host: where probes listen.
        port: their port; 0 takes a free one, ``None`` serves none.
        drain: seconds running jobs get to end.
        log_level: the least severe level that is logged.
        log_json: one JSON object a line.
        tracing: whether OpenTelemetry spans are made.
    """

    modules: tuple[str, ...]
    folder: str
    host: str = "127.0.0.1"
    port: int | None = None
    drain: float = 10.0
    log_level: str = "info"
    log_json: bool = False
    tracing: bool = False


def project_of(options: Options) -> ProjectFile:
    """The project file from which modules are imported; an empty one where there is none and modules are named."""
    folder = Path(options.folder)
    if find_project_file(folder) is None and options.modules:
        project = ProjectFile()
        project._path = folder / project.path.name  # pyright: ignore[reportPrivateUsage]
        return project
    return load_project(folder)


def routers_of(project: ProjectFile, modules: Sequence[str]) -> list[Router]:
    """The routers that are named.

    Raises:
        ConfigurationError: there are none, or something else is named.
    """
    references = list(modules) or project.workers.modules
    if not references:
        raise ConfigurationError(
            f'{project.path}: [workers] modules is empty: name your routers there, modules = ["package.module:router"], or on the command line'
        )
    routers: list[Router] = []
    for reference in references:
        if ":" not in reference:
            raise ConfigurationError(f"'{reference}' names no router: write module:router")
        found = load_reference(project, reference)
        several = cast("Sequence[object]", found) if isinstance(found, list | tuple) else (found,)
        routers.extend(_router(one, reference) for one in several)
    return routers


def _router(found: object, reference: str) -> Router:
    if isinstance(found, Router):
        return found
    if isinstance(found, Worker):
        return Router(cast("Worker[..., Any]", found))
    raise ConfigurationError(f"'{reference}' is {type(found).__name__}: it must be a Router, a worker, or a list of them")


def store_of(settings: Settings) -> Any:
    """Where outcomes of idempotent workers are kept."""
    kind = settings.idempotency or ("redis" if settings.redis_url is not None else "sqlite")
    if kind == "redis":
        from camunda_workers.worker.idempotency_redis import RedisStore

        if settings.redis_url is None:
            raise ConfigurationError(
                "CAMUNDA_WORKERS_IDEMPOTENCY is redis: set CAMUNDA_WORKERS_REDIS_URL, for example redis://127.0.0.1:6379/0"
            )
        return RedisStore(settings.redis_url.get_secret_value())
    if kind == "sqlite":
        from camunda_workers.worker.idempotency_sqlite import SqliteStore

        return SqliteStore(settings.data_dir / "outcomes.db")
    from camunda_workers.worker.idempotency_memory import MemoryStore

    return MemoryStore()


def run_child(options: Options, pipe: Connection) -> None:
    """A child of the supervisor; the pipe takes its port and tells it, by closing, that the supervisor is gone."""
    # Ctrl-C in a terminal goes to the whole group; the supervisor passes it on once.
    if hasattr(os, "setsid"):
        os.setsid()
    try:
        asyncio.run(serve(options, pipe))
    except CamundaWorkersError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


async def serve(options: Options, pipe: Connection | None = None) -> None:
    """Run the workers until SIGTERM, SIGINT, or the end of the supervisor."""
    configure_logging(options.log_level, as_json=options.log_json)
    settings, project = Settings(), project_of(options)
    routers = routers_of(project, options.modules)
    # Whoever names single modules runs those and no others.
    enforces = project.duties.any_rules and not options.modules
    job_types = [worker.definition.job_type for router in routers for worker in router]
    job_types += [one for one in project.duties.listeners if enforces and one not in job_types]
    overrides = merged(project.workers.overrides, from_environment(job_types, worker_variables()))
    if enforces:
        off = [job_type for job_type, override in overrides.items() if override.enabled is False]
        routers = with_listeners(project, routers, partial(desk_here, project.duties), off=off)
    middleware: list[Middleware] = [Redaction()]
    counted = _metrics()
    if counted is not None:
        middleware.append(counted)
    if options.tracing:
        from camunda_workers.worker.middlewares.tracing import Tracing

        middleware.append(Tracing())
    middleware.append(log_jobs)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(settings=settings))
        if settings.event_log is not None:
            log = await stack.enter_async_context(open_log(None, None, create=True))
            middleware.insert(0, await stack.enter_async_context(work_recorded(log)))  # outermost: what it writes down is redacted
        runner = WorkerRunner(
            await client.job_gateway(settings.jobs_over),
            routers,
            drain_timeout=timedelta(seconds=options.drain),
            polling=replace(Polling(), start_jitter=timedelta(seconds=settings.start_jitter)),
            middleware=middleware,
            resources={Client: client},
            overrides=overrides,
            idempotency=store_of(settings),
        )
        checks = (listener_check(project.duties), engine_check(project.duties, client), deployed_check(project.duties))
        enforced = checks if enforces else ()
        endpoints = {"/livez": live(), "/readyz": ready(runner.problems, *enforced)}
        if enforces:
            await stack.enter_async_context(auditing_here(project.duties))
        if counted is not None:
            counted.watch(lambda: runner.stats, runner.problems)
            endpoints["/metrics"] = metrics(counted.text)
        port = None
        if options.port is not None:
            probes = await stack.enter_async_context(Probes(endpoints, host=options.host, port=options.port))
            port = probes.port
            _log.info("probes.listening", host=options.host, port=port, paths=sorted(endpoints))
        if pipe is not None:
            pipe.send(port)
            _stop_with(pipe, stop)
        await run_until_stopped(runner, stop)


def _metrics() -> Any:
    from camunda_workers.worker.middlewares.metrics import Metrics

    try:
        return Metrics()
    except MissingExtra:
        return None


def _stop_with(pipe: Connection, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with suppress(EOFError, OSError):
            pipe.recv()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, name="camunda-workers supervisor", daemon=True).start()
