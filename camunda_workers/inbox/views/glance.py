"""A case at a glance: variables as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast

from camunda_workers.client.documents import TYPE, documents_in
from camunda_workers.inbox.views.times import Say
from camunda_workers.project_people import InboxProcess
from camunda_workers.tasks.sensitive import MISSING, at_path

MOST_ROWS: Final = 60
LONGEST: Final = 600
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact."""

    label: str
    text: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A variable with several facts in it."""

    label: str
    rows: Sequence[Row]


def facts(process: InboxProcess | None, variables: Mapping[str, Any], say: Say) -> list[Row]:
    """The facts that the project file picks for a process, as far as they are there."""
    if process is None:
        return []
    found = ((label, at_path(variables, path)) for path, label in process.facts.items())
    return [row(label, value, say) for label, value in found if value is not MISSING and value is not None]


def groups(variables: Mapping[str, Any], say: Say) -> list[Group]:
    """Every variable, objects opened."""
    single: list[Row] = []
    result: list[Group] = []
    for name, value in variables.items():
        if isinstance(value, Mapping):
            rows = list(_rows(cast("Mapping[str, Any]", value), say))[:MOST_ROWS]
            if rows:
                result.append(Group(label_of(name), rows))
        else:
            single.append(row(label_of(name), value, say))
    return [*([Group("", single)] if single else []), *result]


def row(label: str, value: Any, say: Say) -> Row:
    """A labelled value."""
    return Row(label, in_words(value, say), isinstance(value, int | float) and not isinstance(value, bool))


def label_of(name: str) -> str:
    """``total_amount`` and ``totalAmount`` are "Total amount" to people."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").strip().lower()
    return words[:1].upper() + words[1:]


def in_words(value: Any, say: Say) -> str:
    """A JSON value as text."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int | float):
        return number(value, say)
    if isinstance(value, Mapping):
        if TYPE in value:
            return next((one.name for one in documents_in(value)), "–")
        return "; ".join(f"{label_of(name)}: {in_words(one, say)}" for name, one in cast("Mapping[str, Any]", value).items())[:LONGEST]
    if isinstance(value, list):
        return ", ".join(in_words(one, say) for one in cast("list[Any]", value))[:LONGEST] or "–"
    text = str(value)
    if text in ("YES", "NO", "?"):
        return {"YES": say("yes"), "NO": say("no"), "?": say("not-known")}[text]
    if DAY.fullmatch(text) and (day := shown_day(text, say)):
        return day
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def shown_day(text: str, say: Say) -> str:
    """``2026-11-21`` as the language writes it; nothing when there is no such day."""
    try:
        at = date.fromisoformat(text)
    except ValueError:
        return ""
    return say("date.shown", day=at.day, month=say("date.months").split()[at.month - 1], year=at.year)


def number(value: float, say: Say) -> str:
    """A number with the language's separators."""
    text = f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else f"{value:,}"
    thousands, point = say("number.thousands"), say("number.point")
    return text.translate({ord(","): thousands, ord("."): point})


def _rows(value: Mapping[str, Any], say: Say, before: str = "") -> Iterator[Row]:
    for name, one in value.items():
        label = f"{before}{label_of(name)}"
        if isinstance(one, Mapping):
            yield from _rows(cast("Mapping[str, Any]", one), say, f"{label} · ")
        elif one is not None:
            yield row(label, one, say)
