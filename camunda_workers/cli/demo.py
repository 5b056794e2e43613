"""``camunda-workers demo``: the project's demonstration on Camunda's engine in this process."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from camunda_workers.app import load_reference, run_locally
from camunda_workers.errors import ConfigurationError
from camunda_workers.logs import configure_logging
from camunda_workers.settings import ProjectFile, Settings, load_project

DEMO_FOLDER = "demo"
"""The folder of the demo's event log below the data folder; each run begins a new one."""


class Speed(StrEnum):
    """How fast virtual time goes by."""

    fast = "fast"
    watch = "watch"


app = typer.Typer(add_completion=False)


@app.command()
def demo(
    cases: Annotated[int, typer.Option(min=1, max=300, help="How many claims run.")] = 40,
    speed: Annotated[Speed, typer.Option(help="'watch' is slow enough to follow.")] = Speed.fast,
    keep: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="DIR", help="Keep the engine in this folder, to go on with it: engine start --data DIR."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run real claims through the claims process: weeks of work in seconds, on Camunda's own engine in this process."""
    project = load_project()
    if not project.demo.run:
        raise ConfigurationError(
            f'{project.path}: [demo] run is missing: say which function runs the demo, run = "package.module:function"'
        )
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise ConfigurationError(
            f"{keep} is not empty: choose another folder, or go on with it: camunda-workers engine start --data {keep}"
        )
    result = asyncio.run(_run(project, project.demo.run, cases, speed, keep, Console(stderr=True, quiet=as_json)))
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        _show(Console(), result, keep)


async def _run(project: ProjectFile, reference: str, cases: int, speed: Speed, keep: Path | None, console: Console) -> Any:
    settings = Settings()
    run: Callable[..., Any] = load_reference(project, reference)
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        with console.status("Starting Camunda's engine in this process"):
            log_path = ":memory:" if keep is not None else _fresh_log(settings)
            running = await stack.enter_async_context(run_locally(settings, log_path, data=keep))
            # Failing jobs belong to the story (the payments system breaks down): they go to a file, not between the progress bars.
            folder = keep or settings.data_dir / DEMO_FOLDER
            configure_logging("info", file=folder / "demo.log", as_json=True)
        console.print(
            f"Camunda {settings.engine_version} is up after {time.perf_counter() - begun:.1f} s, inside this Python process",
            highlight=False,
        )
        with _progress(console) as progress:
            task = progress.add_task("claims", total=cases, at="", note="")
            watch = speed is Speed.watch

            def report(step: Any) -> None:
                progress.update(task, completed=step.ended, at=_moment(step.now), note=step.note or "")
                if watch and step.note:
                    progress.console.print(f"[dim]{_moment(step.now)}[/dim]  {step.note}", highlight=False)

            return await run(client=running.client, engine=running.engine, log=running.log, cases=cases, speed=speed.value, report=report)


def _fresh_log(settings: Settings) -> Path:
    folder = settings.data_dir / DEMO_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    from camunda_workers.events import DEFAULT_FILE

    return folder / DEFAULT_FILE


def _progress(console: Console) -> Progress:
    columns = [SpinnerColumn(), BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.completed} of {task.total} claims done")]
    return Progress(*columns, TextColumn("[dim]it is {task.fields[at]}"), TimeElapsedColumn(), console=console, transient=True)


def _moment(moment: datetime) -> str:
    return f"{moment:%a %d %b %H:%M}"


_OUTCOMES = {"paid_straight_through": "paid straight through", "not_covered": "not covered"}


def _show(console: Console, result: Any, keep: Path | None) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    for name, value in _rows(result):
        table.add_row(name, value)
    console.print()
    console.print(
        f"[bold]{result.started} claims, {result.virtual_days:g} days of work, {result.wall_seconds:.1f} seconds[/bold]\n", highlight=False
    )
    console.print(table)
    example = _example(result)
    console.print("\nWhat to type next")
    if keep is None:
        steps = [(f"case show {example}", "one claim's story"), ("demo --speed watch", "slow enough to follow")]
        steps.append(("engine start", "an engine for Camunda Modeler"))
    else:
        steps = [(f"case show {example} --data-dir {keep}", "one claim's story"), (f"engine start --data {keep}", "go on with this engine")]
        steps.append((f"engine inspect {keep}", "what is in the folder"))
    width = max(22, *(len(command) + 2 for command, _ in steps))
    for command, what in steps:
        console.print(f"  .venv/bin/camunda-workers {command:<{width}}{what}", highlight=False, soft_wrap=True)


def _example(result: Any) -> str:
    return result.most_eventful if getattr(result, "most_eventful", None) else result.business_ids[0]


def _rows(result: Any) -> list[tuple[str, str]]:
    outcomes: Mapping[str, int] = result.outcomes
    agreement = (
        "-" if result.label_agreement is None else f"{result.label_agreement:.0%} of {result.ai_decisions} opinions agree with the labels"
    )
    return [
        ("outcomes", ", ".join(f"{count} {_OUTCOMES.get(name, name)}" for name, count in outcomes.items())),
        ("still open", f"{result.active} active, {result.incidents} with an incident"),
        ("straight through", f"{result.straight_through_rate:.0%} were paid without a person"),
        ("AI triage", agreement),
        ("human tasks", f"{result.human_tasks}, {result.escalations} escalated after 48 h"),
        (
            "four eyes",
            f"{result.four_eyes_denials} denied: nobody approves what they assessed; {result.second_approvals} payments took two",
        ),
        ("payments", f"{result.payments_by_hand} made by hand while the ledger was down, {result.payments_reversed} taken back"),
        ("cycle time", f"half within {_hours(result.cycle_hours_p50)}, 95 % within {_hours(result.cycle_hours_p95)}"),
        ("event log", f"{result.records} records"),
    ]


def _hours(hours: float | None) -> str:
    if hours is None:
        return "-"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
