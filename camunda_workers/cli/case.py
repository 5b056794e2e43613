"""``camunda-workers case``: what happened to one case, and what it waits for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camunda_workers.cli.case_audit import looked_at
from camunda_workers.cli.task_session import As
from camunda_workers.errors import CamundaWorkersError, NotFound, ReadModelError
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.events import CaseStory
    from camunda_workers.events.histories import CaseLine, VariableChange

app = typer.Typer(no_args_is_help=True, help="Tell the story of a case.")


class State(StrEnum):
    """What became of a case."""

    active = "active"
    completed = "completed"
    terminated = "terminated"


HOW_TO_FILL = "run 'camunda-workers demo' for real cases, or name the folder of a log with --data-dir"


@app.callback()
def group() -> None:
    """Tell the story of a case."""


@app.command()
def show(
    business_id: Annotated[
        str | None, typer.Argument(help="The case's business id, CLM-000123 for example.", metavar="BUSINESS_ID", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the story as JSON.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The folder with the event log; default CAMUNDA_WORKERS_DATA_DIR.")] = None,
    recording: Annotated[
        Path | None, typer.Option("--from", help="A recording of a test, instead of the event log.", metavar="FILE")
    ] = None,
    variables: Annotated[bool, typer.Option("--variables", help="Also every value that each variable has had.")] = False,
    user: As = None,
) -> None:
    """Show a case step by step: when, who, where in the process, what happened, and what it waits for now."""
    changes: list[VariableChange] = []
    if recording is not None and not variables:
        stories = asyncio.run(_recorded(recording, business_id))
    elif recording is not None:
        raise typer.BadParameter("a recording has its story only: name a log", param_hint="--variables")
    elif business_id is not None:
        folder = data_dir if data_dir is not None else Settings().data_dir
        story, changes = asyncio.run(_told(folder, business_id, variables, user))
        stories = [story]
    else:
        raise typer.BadParameter("name a business id, or a recording with --from FILE", param_hint="BUSINESS_ID")
    if as_json:
        more = {"variables": [one.to_json() for one in changes]} if variables else {}
        told = [story.to_json() | more for story in stories]
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2, ensure_ascii=False))
        return
    reconfigure: Callable[..., None] | None = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal that cannot show a letter of somebody's name still shows the rest
    from rich.console import Console

    from camunda_workers.cli.case_lists import render_variables
    from camunda_workers.cli.case_view import render

    for story in stories:
        render(story, Console(highlight=False))
    if variables:
        render_variables(changes, Console(highlight=False))


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many, at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The folder with the event log; default CAMUNDA_WORKERS_DATA_DIR.")] = None,
    log: Annotated[str | None, typer.Option("--log", help="The log itself: a file, or postgresql://…", metavar="FILE|ADDRESS")] = None,
) -> None:
    """List the cases in which something happened last, and what that was."""
    found = asyncio.run(_listed(state, limit, data_dir, log))
    if as_json:
        print(json.dumps([one.to_json() for one in found], indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    from camunda_workers.cli.case_lists import render_cases

    render_cases(found, Console(highlight=False))


async def _listed(state: State | None, limit: int, data_dir: Path | None, target: str | None) -> list[CaseLine]:
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.events.histories import Histories

    async with open_log(data_dir, target or _demo_log(data_dir)) as log:
        return await Histories(log).cases(state=state.value.upper() if state is not None else None, limit=limit)


def _demo_log(data_dir: Path | None) -> str | None:
    """The demo's log, where there is no other."""
    from camunda_workers.cli.demo import DEMO_FOLDER
    from camunda_workers.events import DEFAULT_FILE

    settings = Settings()
    folder = data_dir if data_dir is not None else settings.data_dir
    demo = folder / DEMO_FOLDER / DEFAULT_FILE
    return str(demo) if settings.event_log is None and not (folder / DEFAULT_FILE).is_file() and demo.is_file() else None


@app.command()
def export(
    business_id: Annotated[str, typer.Argument(help="The case's business id, CLM-000123 for example.", metavar="BUSINESS_ID")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The zip; by default the case's name.", metavar="FILE")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The log's private key; by default beside the log.", metavar="FILE")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="The folder with the event log; default CAMUNDA_WORKERS_DATA_DIR.")] = None,
    log: Annotated[str | None, typer.Option("--log", help="The log itself: a file, or postgresql://…", metavar="FILE|ADDRESS")] = None,
    user: As = None,
) -> None:
    """Write the evidence of a case: a signed zip with a page to read, the records, and the proofs that they are in the log."""
    name = "".join(character if character.isalnum() or character in "._-" else "_" for character in business_id)
    path = output or Path(f"{name}-evidence.zip")
    count, public_key = asyncio.run(_exported(business_id, path, key, data_dir, log, user))
    print(f"{count} records in {path}: open index.html in it; check it with: python verify.py {path} '{public_key}'")


async def _exported(
    business_id: str, path: Path, key: Path | None, data_dir: Path | None, target: str | None, user: str | None
) -> tuple[int, str]:
    from camunda_workers.cli.log_options import open_log, signer_of
    from camunda_workers.events.chain.signing import configured_anchor
    from camunda_workers.events.export.bundle import export_case

    async with open_log(data_dir, target or _demo_log(data_dir)) as opened:
        await looked_at(opened, business_id, await opened.instances_of(business_id), "export", user=user, data_dir=data_dir)
        signer = signer_of(opened, key, data_dir)
        anchor = configured_anchor(opened, Settings())
        return await export_case(opened, business_id, path, signer, anchor=anchor), str(signer.verifier)


async def _recorded(path: Path, business_id: str | None) -> list[CaseStory]:
    from camunda_workers.events.recording import recorded_stories

    stories = [story async for story in recorded_stories(path)]
    found = [story for story in stories if business_id in (None, story.business_id)]
    if not found:
        known = ", ".join(story.business_id for story in stories) or "no process instance"
        raise NotFound(f"the recording {path} has no case '{business_id}': it has {known}")
    return found


async def _told(folder: Path, business_id: str, variables: bool, user: str | None) -> tuple[CaseStory, list[VariableChange]]:
    from camunda_workers.cli.demo import DEMO_FOLDER
    from camunda_workers.events import DEFAULT_FILE, EventLog, case_story
    from camunda_workers.events.histories import Histories

    # The demo keeps a log of its own below the data folder, and tells its reader to look at a case of it.
    paths = [path for path in (folder / DEFAULT_FILE, folder / DEMO_FOLDER / DEFAULT_FILE) if path.is_file()]
    if not paths:
        raise ReadModelError(f"there is no event log at {folder / DEFAULT_FILE}: {HOW_TO_FILL}")
    unknown: CamundaWorkersError | None = None
    for path in paths:
        async with EventLog.open(path) as log:
            if await log.position() == 0:
                unknown = unknown or ReadModelError(f"the event log {path} is empty: {HOW_TO_FILL}")
                continue
            try:
                story = await case_story(log, business_id)
                await looked_at(log, business_id, [one.key for one in story.instances], "case", user=user, data_dir=path.parent)
                return story, await Histories(log).variables(business_id) if variables else []
            except NotFound as error:
                unknown = error
    assert unknown is not None  # every log has said why it has no story
    raise unknown
