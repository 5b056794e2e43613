"""``camunda-workers up``: everything for development in one process: engine, workers, inbox, and what monitors ask."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.errors import ConfigurationError, MissingExtra
from camunda_workers.serving import listen
from camunda_workers.settings import ProjectFile, Settings, load_project

if TYPE_CHECKING:
    from camunda_workers.app import Local
    from camunda_workers.inbox import Parts
    from camunda_workers.worker import Router

PORT = 8088
LOG = "up.log"
PASSWORD = "inbox-password"
_MOST_NAMES = 8

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Up:
    """What runs.

    Attributes:
        local: engine, client and log.
        address: the inbox's.
        password: everybody's, during development.
        parts: what the inbox is put together from.
    """

    local: Local
    address: str
    password: str
    parts: Parts


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the inbox; 0 takes a free one.")] = PORT,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="DIR", help="Keep everything in this folder, to go on with it. Nothing is kept without."),
    ] = None,
) -> None:
    """Run Camunda's engine, the project's workers with their monitor, and the inbox until Ctrl-C or SIGTERM."""
    asyncio.run(_serve(load_project(), port, data))


async def _serve(project: ProjectFile, port: int, data: Path | None) -> None:
    from camunda_workers.cli.signals import stop_on_signals
    from camunda_workers.logs import configure_logging
    from camunda_workers.worker.collector import calm_collector

    stop = stop_on_signals()

    def log() -> None:
        # Jobs that fail belong into a file, not between the lines on what runs. A new engine wants its folder empty: only then.
        configure_logging(
            "info" if data is not None else "warning", file=data / LOG if data is not None else None, as_json=data is not None
        )

    async with run_up(project, Settings(), port=port, data=data, tell=_tell, started=log):
        with calm_collector():
            await stop.wait()
        _tell("stopping")


def _tell(line: str) -> None:
    print(line, flush=True)


@asynccontextmanager
async def run_up(
    project: ProjectFile,
    settings: Settings,
    *,
    port: int = 0,
    data: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    started: Callable[[], object] = lambda: None,
) -> AsyncGenerator[Up]:
    """Run everything meanwhile.

    Args:
        project: what to deploy, which workers, who there is.
        settings: where the engine's files are.
        port: the inbox's; 0 takes a free one.
        data: where everything is kept.
        tell: gets one line for each thing that runs.
        started: called when the engine runs.

    Raises:
        MissingExtra: the inbox's libraries are not installed.
        ConfigurationError: the project file is wrong, or the port is taken.
    """
    # A port that is taken is known before everything else is started, and not a minute later.
    listen("127.0.0.1", port).close()
    try:
        from camunda_workers.inbox import Parts, development_users, serve_inbox
    except ModuleNotFoundError as error:
        raise MissingExtra("inbox", f"'camunda-workers up' ({error.name})") from error
    from camunda_workers.app import load_reference, run_locally, work_recorded
    from camunda_workers.cli.listeners import with_listeners
    from camunda_workers.cli.up_monitor import job_metrics, monitored
    from camunda_workers.cli.worker_process import routers_of
    from camunda_workers.tasks import TaskQueue, TaskStore, open_desk, open_tasks
    from camunda_workers.tasks.duties.audit_running import auditing
    from camunda_workers.tasks.duties.log_sink import LogFacts
    from camunda_workers.tasks.notifications.running import notifying
    from camunda_workers.tasks.notifications.setup import channels_of, links_of
    from camunda_workers.tasks.store import DEFAULT_FILE
    from camunda_workers.worker import WorkerRunner

    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(run_locally(settings, data=data))
        started()
        client, engine, log = local.client, local.engine, local.log
        tell(f"engine    {engine.grpc_address} (gRPC), {engine.rest_address} (REST): Camunda {settings.engine_version}, {_kept(data)}")
        files = data / "attachments" if data is not None else Path(stack.enter_context(TemporaryDirectory(prefix="camunda-workers-files-")))
        store = await stack.enter_async_context(TaskStore(data / DEFAULT_FILE if data is not None else ":memory:", files=files))
        sink = LogFacts(log, clock=engine.clock)
        tasks = await stack.enter_async_context(
            open_tasks(
                client,
                log,
                project.duties,
                store=store,
                sink=sink,
                clock=engine.clock,
                catch_up=engine.read_model,
                channels=channels_of(settings),
                queue=TaskQueue(log, catch_up=engine.read_model, expected=project.tasks.expected),
                shows=project.inbox,
            )
        )
        await stack.enter_async_context(auditing(project.duties, log, store, clock=engine.clock))
        deployed = await client.deploy(*project.deploy_paths()) if project.deploy.paths else None
        resources: dict[Any, object] = {}
        prepare: Any = None
        if project.inbox.beside:
            beside = load_reference(project, project.inbox.beside)
            line, resources, prepare = await stack.enter_async_context(beside(client=client, clock=engine.clock, data=data))
            tell(line)
        routers = routers_of(project, ()) if project.workers.modules else []
        routers = with_listeners(
            project, routers, partial(open_desk, project.duties, log, store=store, sink=sink, clock=engine.clock), clock=engine.clock
        )
        watch = ""
        types = sorted(worker.definition.job_type for router in routers for worker in router)
        if routers:
            recorded = await stack.enter_async_context(work_recorded(log, engine.clock))
            known, counted = _known(resources, routers), job_metrics()
            middleware = [recorded, counted] if counted is not None else [recorded]
            runner = WorkerRunner(client, routers, name="workers", resources=known, middleware=middleware)
            await stack.enter_async_context(runner)
            watch = await stack.enter_async_context(monitored(runner, counted, tasks.problems))
        tell(f"workers   {len(types)} in this process: {', '.join(types) or 'none ([workers] modules is empty)'}")
        if watch:
            tell(f"monitor   {watch}")
        if deployed is not None:
            names = sorted({one.bpmn_process_id for one in deployed.processes})
            tell(f"deployed  {', '.join(names) or 'nothing'} from {', '.join(project.deploy.paths)}")
        if prepare is not None and (line := await prepare()):
            tell(f"          {line}")
        people = load_reference(project, project.inbox.people) if project.inbox.people else ()
        password = _password(data)
        users = development_users(project.inbox, project.duties, password, people)
        if not list(users.suggestions()):
            raise ConfigurationError(f'{project.path}: nobody may sign in: name people in [inbox.users."name"] with their groups')
        parts = Parts(
            client=client,
            tasks=tasks,
            log=log,
            model=engine.read_model,
            users=users,
            section=project.inbox,
            name=project.name,
            clock=engine.clock,
            locale=project.root / project.inbox.locale if project.inbox.locale else None,
            hosts=("127.0.0.1", "localhost"),
            secure=False,
            links=links_of(settings, store, tasks.desk.people) if settings.link_secret is not None else None,
        )
        address = await stack.enter_async_context(serve_inbox(parts, port=port))
        news = notifying(settings, project.tasks, tasks, client, engine.clock, project=project.name, replies=project.notifications)
        if line := await stack.enter_async_context(news):
            tell(f"news      {line}")
        tell(f"inbox     {address}")
        tell(f"sign in   as {_some(users.suggestions())} with the password {password}")
        yield Up(local, address, password, parts)


def _kept(data: Path | None) -> str:
    return f"kept in {data}" if data is not None else "in memory (--data DIR keeps it)"


def _some(people: Any) -> str:
    """One name for each set of groups: enough to see every side of the inbox."""
    first = {tuple(sorted(one.groups)): one.user for one in reversed(list(people))}
    names = sorted(first.values())
    return ", ".join(names[:_MOST_NAMES])


def _known(resources: dict[Any, object], routers: list[Router]) -> dict[Any, object]:
    from camunda_workers.client import Client

    return {kind: value for kind, value in resources.items() if kind is not Client} if routers else {}


def _password(data: Path | None) -> str:
    """The password of everybody; the same again where it was kept."""
    file = data / PASSWORD if data is not None else None
    if file is not None and file.is_file() and (kept := file.read_text(encoding="utf-8").strip()):
        return kept
    made = "-".join(secrets.token_hex(2) for _ in range(3))
    if file is not None:
        file.touch(mode=0o600)
        file.write_text(made, encoding="utf-8")
    return made
