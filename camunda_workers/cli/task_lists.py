"""``camunda-workers tasks list``, ``counts`` and ``filter``: which tasks there are."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli.task_session import As, Groups, Json, Session, run, show_json
from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.looks import OVERDUE, SLACK, UNDATED, chosen, order_of

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


class Due(StrEnum):
    """When what is listed is due."""

    OVERDUE = OVERDUE
    NONE = UNDATED


def list_(
    scope: Annotated[
        ListScope | None,
        typer.Option(help="Yours, your groups', those of people who are away, those you have given to others.  [default: all]"),
    ] = None,
    process: Annotated[str | None, typer.Option(help="Only of this process.", metavar="ID")] = None,
    element: Annotated[str | None, typer.Option(help="Only this user task of the diagram.", metavar="ID")] = None,
    due: Annotated[Due | None, typer.Option(help="Only what is overdue, or what has no due date.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only with these words in name, process, case, title, people or groups.", metavar="WORDS")
    ] = None,
    kept: Annotated[
        str | None, typer.Option("--filter", help="As a filter of yours says, kept here or in the inbox.", metavar="NAME")
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="slack (time left minus expected work), or fields: -priority,due_date.  [default: slack]")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Where the page before ended.", metavar="CURSOR")] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """List tasks, those that have to be begun first at the top."""
    given = {"scope": scope and scope.value, "element": element, "due": due and due.value, "q": text, "sort": sort}

    async def work(session: Session) -> tuple[Sequence[UserTask], int, str | None]:
        look = await _look(session, kept)
        look |= {name: value for name, value in given.items() if value}
        found = await session.tasks.page(
            session.caller,
            ListScope(look.get("scope", ListScope.ALL)).value,
            filter=chosen(session.tasks.desk.now(), process=process or "", element=look.get("element", ""), due=look.get("due", "")),
            sort=order_of(look.get("sort", SLACK)),
            limit=limit,
            after=after,
            words=look.get("q", ""),
        )
        return found.items, found.total, found.cursor

    items, total, cursor = run(work, user, groups)
    if as_json:
        show_json({"items": [plain(task) for task in items], "total": total, "cursor": cursor})
        return
    if not items:
        print("no tasks")
        return
    from rich.console import Console
    from rich.table import Table

    from camunda_workers.tasks.access import business_of

    table = Table("Task", "What", "Case", "Assignee", "For", "Due", "Priority", box=None)
    for task in items:
        until = f"{task.due_date:%Y-%m-%d %H:%M}" if task.due_date else ""
        whom = ", ".join([*task.candidate_groups, *task.candidate_users])
        table.add_row(
            str(task.key), task.name or task.element_id, business_of(task) or "", task.assignee or "", whom, until, str(task.priority)
        )
    Console(highlight=False).print(table)
    if cursor is not None:
        print(f"{total} tasks in all; the next ones: --after {cursor}")


async def _look(session: Session, name: str | None) -> dict[str, str]:
    """What a filter that was kept says."""
    if name is None:
        return {}
    saved = {one.name: one.query for one in await session.tasks.saved_filters(session.caller)}
    called = " ".join(name.split())
    if called not in saved:
        raise InvalidArgument(f"there is no filter '{name}' of yours; there are: {', '.join(saved) or 'none'}")
    return dict(saved[called])


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
