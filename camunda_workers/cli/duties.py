"""``camunda-workers duties``: why somebody may or may not do a task, and whether the rules are really enforced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli.duties_audit import audit
from camunda_workers.cli.task_session import Groups, Json, Key, Session, duties_here, run, show_json
from camunda_workers.settings import Settings, load_project

if TYPE_CHECKING:
    from camunda_workers.project_people import DutiesSection

app = typer.Typer(no_args_is_help=True, help="Explain and check who may do what.")


@app.callback()
def group() -> None:
    """Explain and check who may do what."""


@app.command()
def explain(
    key: Key,
    user: Annotated[str, typer.Argument(help="Whom to ask about.", metavar="USER", show_default=False)],
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Say, rule by rule, whether somebody may have and complete a task; nothing is changed or recorded."""

    async def work(session: Session) -> Any:
        return await session.tasks.explain(None, key, user, groups=session.caller.groups)

    have, do = run(work, user, groups)
    if as_json:
        show_json({"task": str(key), "user": user, "assign": have.to_json(), "complete": do.to_json()})
        return
    from camunda_workers.cli.task_view import render_decision

    render_decision(have, f"Having task {key} as {user}")
    render_decision(do, f"Completing task {key} as {user}")


@app.command()
def log(key: Key, as_json: Json = False) -> None:
    """Show every decision that was made about a task, with its reasons."""

    async def read() -> list[Any]:
        from camunda_workers.tasks.store import TaskStore, store_of

        async with TaskStore(store_of(Settings())) as store:
            return await store.ledger.facts(key)

    facts = asyncio.run(read())
    if as_json:
        show_json([{"kind": fact.kind, "at": fact.at.isoformat(), "actor": fact.actor, **fact.data} for fact in facts])
        return
    for fact in facts:
        text = ""
        if fact.kind == "duty.decided":
            denials = [reason["text"] for reason in fact.data["reasons"] if not reason["allowed"]]
            text = f"{fact.data['action']} through the {fact.data['through']}: {'; '.join(denials) or 'allowed'}"
        elif fact.kind == "duty.violated":
            text = f"completed against the rules: {'; '.join(one['text'] for one in fact.data['reasons'] if not one['allowed'])}"
        print(f"{fact.at:%Y-%m-%d %H:%M:%S} {fact.kind:<20} {fact.actor}  {text}".rstrip())
    if not facts:
        print(f"nothing is recorded about task {key}")


@app.command()
def check(as_json: Json = False) -> None:
    """Check that the rules are enforced: diagrams have the listeners, which the engine asks, forms can be checked, and listener workers run.

    Exits with 1 if not.
    """
    section = duties_here()
    problems = [*_diagrams(section), *_forms(), *asyncio.run(_listeners(section))]
    if as_json:
        show_json({"problems": problems})
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print("the rules are enforced: every task they are about has its listeners, and workers for them run")
    if problems:
        raise typer.Exit(1)


app.command()(audit)


def _diagrams(section: DutiesSection) -> Iterator[str]:
    from camunda_workers.tasks.duties.ready import diagram_problems

    for file in _resources(".bpmn"):
        yield from diagram_problems(section, file.read_bytes(), name=file.name)


def _forms() -> Iterator[str]:
    import json

    from camunda_workers.tasks.forms import check_form, feel_here

    feel = feel_here()
    for file in _resources(".form"):
        try:
            schema: Any = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            yield f"{file.name}: is not JSON: {error}"
            continue
        yield from check_form(schema, feel, name=file.name)


async def _listeners(section: DutiesSection) -> list[str]:
    from camunda_workers.cli.listeners import deployed_check, engine_check, listener_check
    from camunda_workers.client import BackOff, Client

    # An engine that is not there is no reason to wait: the rest can be checked without.
    async with Client(settings=Settings(), back_off=BackOff(attempts=1)) as client:
        found = {**await listener_check(section)(), **await engine_check(section, client)(), **await deployed_check(section)()}
    return [f"{name}: {text}" for name, text in found.items()]


def _resources(ending: str) -> Iterator[Path]:
    for path in load_project().deploy_paths():
        yield from sorted(path.rglob(f"*{ending}")) if path.is_dir() else [path] if path.suffix == ending else []
