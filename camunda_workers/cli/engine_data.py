"""``camunda-workers engine backup``, ``restore`` and ``inspect``: a durable engine's folder, looked after."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.durable.backup import Backup

FOLDER = typer.Argument(help="The engine's folder, as given to 'engine start --data'.", metavar="DIR", show_default=False)
AS_JSON = typer.Option("--json", help="Print one JSON object and nothing else.")


def backup(
    data: Annotated[Path, FOLDER],
    target: Annotated[Path, typer.Argument(help="Where the copy goes: a folder that is not there yet.", show_default=False)],
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Copy a durable engine's folder, while the engine runs or not; the copy is complete and checked, or not there."""
    from camunda_workers.engine.embedded.durable.backup import back_up

    made = back_up(data, target, _silent if as_json else _say)
    _tell(made, as_json, f"camunda-workers engine restore {target} NEW_DIR")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder made by 'engine backup'.", metavar="BACKUP", show_default=False)],
    data: Annotated[Path, typer.Argument(help="The engine's new folder: not there yet.", metavar="DIR", show_default=False)],
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Make an engine's folder from a backup, after checking every file of it."""
    from camunda_workers.engine.embedded.durable.backup import restore as restore_backup

    made = restore_backup(source, data, _silent if as_json else _say)
    _tell(made, as_json, f"camunda-workers engine start --data {data}")


def inspect(
    data: Annotated[Path, FOLDER],
    as_json: Annotated[bool, AS_JSON] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read everything and compare checksums.")] = False,
) -> None:
    """Show what a durable engine's folder holds; ends with 1 when something is wrong with it."""
    from camunda_workers.engine.embedded.durable.inspect import inspect_folder

    found = inspect_folder(data, verify=verify)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)
    if found["problems"]:
        sys.exit(1)


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr)


def _silent(text: str) -> None:
    """Say nothing: the one JSON object says it all."""


def _tell(made: Backup, as_json: bool, next_step: str) -> None:
    if as_json:
        print(json.dumps(asdict(made) | {"path": str(made.path)}))
        return
    print(f"{made.path}: engine {made.engine}, records up to {made.position}, taken {made.taken}")
    print(f"next: {next_step}")


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _rows(found):
        table.add_row(name, value)
    console = Console(highlight=False)
    console.print(table)
    for problem in found["problems"]:
        console.print(f"[bold red]problem[/bold red]  {problem}", soft_wrap=True)
    if found["verified"] and not found["problems"]:
        console.print("everything is as it was written")


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    log, events = found["log"], found["event_log"]
    rows = [
        ("folder", f"{found['path']}, {_size(found['bytes'])}, {'in use' if found['in_use'] else 'not in use'}"),
        ("engine", f"{found['engine']}, format {found['format']}, created {found['created']}"),
        ("clock", f"{found['clock_ahead_seconds']:g} s ahead of the real one"),
    ]
    if log is not None:
        rows.append(("log", f"records {log['first_position']} to {log['last_position']}, {_size(log['bytes'])}"))
    rows += [
        ("snapshot", f"of record {snapshot['position']}, taken {snapshot['taken']}, {_size(snapshot['bytes'])}")
        for snapshot in found["snapshots"]
    ]
    if found["records_after_snapshot"] is not None:
        rows.append(("a start now", f"reads {found['records_after_snapshot']} records behind the snapshot"))
    if events is not None:
        open_instances = f"{events['open_instances']} open process instances"
        rows.append(("event log", f"up to record {events['position']}, {_size(events['bytes'])}, {open_instances}"))
    return rows


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
