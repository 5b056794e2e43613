"""``camunda-workers tasks list``, ``counts`` and ``filter``: which tasks there are."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli.task_session import As, Groups, Json, Session, run, show_json
from camunda_workers.errors import InvalidArgument

if TYPE_CHECKING:
    from camunda_workers.client import UserTask

filters = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the filter is called.", metavar="NAME", show_default=False)]


class ListScope(StrEnum):
    """Whose tasks are listed."""

    MINE = "mine"
    TEAM = "team"
    STANDING_IN = "standing-in"
    DELEGATED = "delegated"
    ALL = "all"


def list_(
    scope: Annotated[
        ListScope, typer.Option(help="Yours, your groups', those of people who are away, those you have given to others.")
    ] = ListScope.ALL,
    process: Annotated[str | None, typer.Option(help="Only of this process.", metavar="ID")] = None,
    element: Annotated[str | None, typer.Option(help="Only this user task of the diagram.", metavar="ID")] = None,
    sort: Annotated[str, typer.Option(help="slack (time left minus expected work), or fields: -priority,due_date.")] = "slack",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Where the page before ended.", metavar="CURSOR")] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """List tasks, those that have to be begun first at the top."""
    wanted = {name: value for name, value in (("process_definition_id", process), ("element_id", element)) if value is not None}
    fields = [name.strip() for name in sort.split(",") if name.strip()]

    async def work(session: Session) -> Any:
        return await session.tasks.page(session.caller, scope.value, filter=wanted, sort=fields, limit=limit, after=after)

    found = run(work, user, groups)
    if as_json:
        show_json({"items": [plain(task) for task in found.items], "total": found.total, "cursor": found.cursor})
        return
    if not found.items:
        print("no tasks")
        return
    from rich.console import Console
    from rich.table import Table

    from camunda_workers.tasks.access import business_of

    table = Table("Task", "What", "Case", "Assignee", "For", "Due", "Priority", box=None)
    for task in found.items:
        due = f"{task.due_date:%Y-%m-%d %H:%M}" if task.due_date else ""
        whom = ", ".join([*task.candidate_groups, *task.candidate_users])
        table.add_row(
            str(task.key), task.name or task.element_id, business_of(task) or "", task.assignee or "", whom, due, str(task.priority)
        )
    Console(highlight=False).print(table)
    if found.cursor is not None:
        print(f"{found.total} tasks in all; the next ones: --after {found.cursor}")


def counts(user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Say how many tasks are yours, your groups', and of people for whom you stand in."""
    found = run(lambda session: session.tasks.counts(session.caller), user, groups)
    if as_json:
        show_json(dict(found))
        return
    for scope, number in found.items():
        print(f"{scope:<12} {number}")


@filters.command("list")
def list_filters(user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Show your filters."""
    found = run(lambda session: session.tasks.saved_filters(session.caller), user, groups)
    if as_json:
        show_json([{"name": one.name, "query": dict(one.query)} for one in found])
        return
    for one in found:
        print(f"{one.name}: {', '.join(f'{name}={value}' for name, value in one.query.items())}")
    if not found:
        print("no filters")


@filters.command()
def save(
    name: Name,
    query: Annotated[list[str], typer.Argument(help="What it filters by, as in the inbox's address: due=overdue.", metavar="NAME=VALUE")],
    user: As = None,
    groups: Groups = None,
) -> None:
    """Keep a filter; one of the same name is replaced."""
    given: dict[str, str] = {}
    for part in query:
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"'{part}' is not of the form name=value")
        given[key] = value
    saved = run(lambda session: session.tasks.save_filter(session.caller, name, given), user, groups)
    print(f"filter '{saved.name}' is kept")


@filters.command()
def forget(name: Name, user: As = None, groups: Groups = None) -> None:
    """Forget a filter."""
    run(lambda session: session.tasks.forget_filter(session.caller, name), user, groups)
    print(f"filter '{name}' is forgotten")


def plain(task: UserTask) -> dict[str, Any]:
    """A task as JSON."""
    return task.model_dump(mode="json", by_alias=True)
