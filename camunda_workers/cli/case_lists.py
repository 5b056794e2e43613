"""Cases and values of variables as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from camunda_workers.events.histories import CaseLine, VariableChange

WIDE: Final = 120
"""Columns below which a list of cases says less of each."""
_LONGEST: Final = 300
_SAID: Final = {"CREATED": "set to", "UPDATED": "changed to", "MIGRATED": "kept, in another version of the process"}


def render_variables(changes: Sequence[VariableChange], console: Console) -> None:
    """Print every value that variables have had."""
    table = Table(title="Variables", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("when", "variable", "in", "value"):
        table.add_column(name, overflow="fold", header_style="dim", no_wrap=name == "when")
    for one in changes:
        text = one.value or ""
        value = f"{_SAID.get(one.operation, one.operation)} {text[:_LONGEST]}" + ("…" if len(text) > _LONGEST else "")
        table.add_row(_moment(one.time), Text(_clean(one.name), style="bold"), Text(_clean(one.element_id or "")), Text(_clean(value)))
    console.print(table if changes else Text("No variables.", style="dim"))


def render_cases(cases: Sequence[CaseLine], console: Console) -> None:
    """Print a list of cases."""
    if not cases:
        console.print("No cases: the log has none, or none in that state.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    wide = console.width >= WIDE
    for name in ("case", *(("process",) if wide else ()), "state", *(("started",) if wide else ()), "last", "what", "where"):
        table.add_column(name, overflow="fold", header_style="dim", no_wrap=name in {"case", "state", "started", "last"})
    for one in cases:
        what = (one.last or "").replace("_", " ").lower()
        started, last = (_moment(moment) if moment is not None else "" for moment in (one.started, one.last_time))
        where = Text(_clean(one.last_element_id or ""))
        process, begun = ((Text(_clean(one.process_id)),), (started,)) if wide else ((), ())
        table.add_row(Text(_clean(one.business_id), style="bold"), *process, one.state.lower(), *begun, last, what, where)
    console.print(table)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _clean(text: str) -> str:
    """Text of workers and people, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
