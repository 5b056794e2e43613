"""``camunda-workers tasks``: everything people do with human tasks.

The command line acts as whoever it is told to be (``--as``), as any program with the engine's credentials can. The rules of ``[duties]`` hold
all the same, here and in the task listeners.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli.task_absences import app as absences
from camunda_workers.cli.task_files import download
from camunda_workers.cli.task_lists import counts, filters, list_, plain
from camunda_workers.cli.task_mail import mail_reply
from camunda_workers.cli.task_session import As, Groups, Json, Key, Session, run, show_json

if TYPE_CHECKING:
    from camunda_workers.client import UserTask

app = typer.Typer(no_args_is_help=True, help="List, claim, complete and hand on human tasks.")
app.add_typer(absences, name="absence", help="Who is away, and who stands in.")
app.add_typer(filters, name="filter", help="Filters kept under a name.")

Note = Annotated[str, typer.Option("--note", help="A few words to go with it.")]
To = Annotated[str, typer.Argument(help="To whom.", metavar="USER", show_default=False)]
Entries = Annotated[
    list[str] | None,
    typer.Argument(help="What to enter: path=value, with JSON or text as the value (assessment.amount=900).", metavar="PATH=VALUE"),
]
FileOption = Annotated[Path | None, typer.Option("--variables", help="A JSON file with what to enter.", exists=True, dir_okay=False)]


@app.callback()
def group() -> None:
    """List, claim, complete and hand on human tasks."""


app.command("list")(list_)
app.command()(counts)


@app.command()
def show(key: Key, user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Show a task: its form or variables, draft, comments, files, and what the rules say."""
    from camunda_workers.cli.task_view import page_json, render

    async def work(session: Session) -> Any:
        found = await session.tasks.show(session.caller, key)
        await session.tasks.viewed(session.caller, found.task, "task", about="command line", variables=found.variables)
        return found

    page = run(work, user, groups)
    if as_json:
        show_json(page_json(page))
    else:
        render(page)


@app.command()
def claim(key: Key, user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Take a task that nobody has."""
    _task(run(lambda session: session.tasks.claim(session.caller, key), user, groups), as_json)


@app.command()
def unclaim(key: Key, user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Give a task back."""
    _task(run(lambda session: session.tasks.unclaim(session.caller, key), user, groups), as_json)


@app.command()
def assign(
    key: Key,
    to: To,
    seen: Annotated[str | None, typer.Option(help="Supervisors: who has it now, to take it from them.", metavar="USER")] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Give a task to somebody for good."""
    _task(run(lambda session: session.tasks.assign(session.caller, key, to, seen=seen), user, groups), as_json)


@app.command()
def delegate(key: Key, to: To, note: Note = "", user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Ask somebody to work on a task of yours; it comes back to you."""
    _task(run(lambda session: session.tasks.delegate(session.caller, key, to, note=note), user, groups), as_json)


@app.command()
def resolve(key: Key, note: Note = "", user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Hand a delegated task back to its owner."""
    _task(run(lambda session: session.tasks.resolve(session.caller, key, note=note), user, groups), as_json)


@app.command("take-over")
def take_over(key: Key, user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Take a task of somebody who is away and for whom you stand in."""
    _task(run(lambda session: session.tasks.take_over(session.caller, key), user, groups), as_json)


@app.command()
def escalate(
    key: Key,
    reason: Annotated[str, typer.Argument(help="Why.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", help="A group that is to see it, too; the supervisors otherwise.", metavar="GROUP")
    ] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Ask for help: the task goes up in everybody's list."""
    _task(run(lambda session: session.tasks.escalate(session.caller, key, reason, to_groups=to or ()), user, groups), as_json)


@app.command()
def complete(
    key: Key,
    entries: Entries = None,
    variables: FileOption = None,
    draft: Annotated[bool, typer.Option("--draft", help="Enter what your draft has; given entries go before it.")] = False,
    action: Annotated[str | None, typer.Option(help="Handed to task listeners.")] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Complete a task you have; what you enter is checked against its form."""
    given = _entered(entries, variables)

    async def work(session: Session) -> Any:
        saved = await session.tasks.draft(session.caller, key) if draft else None
        return await session.tasks.complete(session.caller, key, _merged(saved.variables if saved else {}, given), action=action)

    from camunda_workers.tasks.errors import FormRejected

    try:
        done = run(work, user, groups)
    except FormRejected as error:
        if not as_json:
            raise
        show_json({"problems": error.problems})
        raise typer.Exit(1) from error
    if as_json:
        show_json({"state": done.state, "variables": done.variables, "text": done.text})
    else:
        print(f"task {key}: {done.text}")


@app.command("draft")
def save_draft(
    key: Key, entries: Entries = None, variables: FileOption = None, user: As = None, groups: Groups = None, as_json: Json = False
) -> None:
    """Keep entries for later."""
    given = _entered(entries, variables)
    revision = run(lambda session: session.tasks.save_draft(session.caller, key, given), user, groups)
    if as_json:
        show_json({"revision": revision})
    else:
        print(f"task {key}: draft saved (revision {revision})")


@app.command()
def comment(
    key: Key,
    text: Annotated[str, typer.Argument(help="The comment; @user.name tells somebody.")],
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Write a comment."""
    written = run(lambda session: session.tasks.comment(session.caller, key, text), user, groups)
    if as_json:
        show_json({"id": written.id, "mentions": list(written.mentions)})
    else:
        print(f"task {key}: comment {written.id} written")


@app.command()
def attach(
    key: Key,
    file: Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False)],
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Attach a file."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"

    async def pieces() -> AsyncIterator[bytes]:
        with file.open("rb") as opened:
            while piece := opened.read(1 << 18):
                yield piece

    one = run(lambda session: session.tasks.attach(session.caller, key, file.name, kind, pieces()), user, groups)
    if as_json:
        show_json(one.reference())
    else:
        print(f"task {key}: {one.name} attached ({one.size} bytes, {one.id})")


app.command()(download)
app.command("mail-reply")(mail_reply)


def _task(task: UserTask, as_json: bool) -> None:
    if as_json:
        show_json(plain(task))
    else:
        print(f"task {task.key} ({task.name or task.element_id}): " + (f"{task.assignee} has it" if task.assignee else "nobody has it"))


def _entered(entries: list[str] | None, file: Path | None) -> dict[str, Any]:
    from camunda_workers.tasks.forms.data import as_object, copied, put

    given: dict[str, Any] = {}
    if file is not None:
        try:
            read: Any = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise typer.BadParameter(f"{file} is not JSON: {error}") from error
        if as_object(read) is None:
            raise typer.BadParameter(f"{file} has to hold a JSON object")
        given = copied(read)
    for entry in entries or []:
        path, equals, value = entry.partition("=")
        if not equals or not all(path.split(".")):
            raise typer.BadParameter(f"'{entry}' is not of the form path=value")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        put(given, tuple(path.split(".")), read)
    return given


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    from camunda_workers.tasks.forms.data import as_object

    result = dict(below)
    for name, value in above.items():
        under, over = as_object(result.get(name)), as_object(value)
        result[name] = _merged(under, over) if under is not None and over is not None else value
    return result
