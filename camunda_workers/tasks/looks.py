"""Which tasks people look at, and in which order, as they say it: the same words in the inbox's addresses and on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from camunda_workers.client import UserTask

SLACK: Final = "slack"
"""Sorts by time left minus expected work: what has to be begun first comes first."""

Order = Literal["slack", "due", "priority", "newest", "oldest"]
ORDERS: Final[Mapping[Order, tuple[str, ...]]] = {
    "slack": (SLACK, "-priority", "creation_date"),
    "due": ("due_date", "-priority", "creation_date"),
    "priority": ("-priority", "due_date"),
    "newest": ("-creation_date",),
    "oldest": ("creation_date",),
}
"""What people call an order, and the fields it is."""

OVERDUE: Final = "overdue"
UNDATED: Final = "none"
"""What people say of due dates; nothing is any."""


def order_of(said: str) -> tuple[str, ...]:
    """An order by its name, or by fields: ``-priority,due_date``."""
    known: Mapping[str, tuple[str, ...]] = {**ORDERS}
    return known.get(said) or tuple(name.strip() for name in said.split(",") if name.strip())


def chosen(now: datetime, *, process: str = "", element: str = "", due: str = "") -> dict[str, object]:
    """The task service's filter for what was chosen.

    Args:
        now: the time: what is due before it is overdue.
        process: only of this process.
        element: only this user task of the diagram.
        due: ``overdue``, ``none``, or any.
    """
    found: dict[str, object] = {name: value for name, value in (("process_definition_id", process), ("element_id", element)) if value}
    if due == OVERDUE:
        found["due_date"] = {"$lt": now}
    elif due == UNDATED:
        found["due_date"] = {"$exists": False}
    return found


def words_of(said: str) -> tuple[str, ...]:
    """The words that somebody searches for, each as `searched` writes them."""
    return tuple(said.casefold().split())


def searched(*texts: str | None, lists: Iterable[Iterable[str]] = ()) -> str:
    """What of a task is searched, as one text: a task is found when every word is somewhere in it."""
    return " ".join([*filter(None, texts), *(one for several in lists for one in several)]).casefold()


def searched_in(task: UserTask, business_id: str | None, title: str = "") -> str:
    """The same of a task: names, process, case, title, people, groups and its key."""
    names = (task.name, task.element_id, task.process_name, task.process_definition_id, business_id, title, task.assignee, str(task.key))
    return searched(*names, lists=(task.candidate_groups, task.candidate_users))
