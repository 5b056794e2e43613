"""``camunda-workers log tail|stats|rebuild``: what is in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from camunda_workers.cli.log_options import DataDir, Json, Log, open_log, print_json, progress, say


def tail(
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="Only records that are so, for example valueType=JOB, intent=FAILED, elementId=pay-claim, businessId=CLM-1, "
            "processInstanceKey=…, partition=0; several must all hold, values with commas are alternatives.",
            metavar="FIELD=VALUE",
        ),
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the latest to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    data_dir: DataDir = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Show the latest records, and those that come."""
    asyncio.run(_tail(where or [], lines, follow, data_dir, log, as_json))


async def _tail(where: list[str], lines: int, follow: bool, data_dir: Path | None, target: str | None, as_json: bool) -> None:
    from camunda_workers.events.subscription import Found, latest, parse_filter, subscribe

    def show(one: Found) -> None:
        record = one.record
        if as_json:
            print(record.text, flush=True)
            return
        subject = " ".join(
            part for part in (record.business_id, record.element_id, f"key {record.key}" if record.key > 0 else None) if part is not None
        )
        kind = "" if record.is_event else f" ({record.record_type.lower().replace('_', ' ')})"
        print(
            f"{record.time:%Y-%m-%d %H:%M:%S} {one.partition}:{record.position:<7} {record.value_type} {record.intent}{kind} {subject}",
            flush=True,
        )

    chosen = parse_filter(where)
    async with open_log(data_dir, target) as log:
        found, seq = await latest(log, chosen, lines)
        for one in found:
            show(one)
        if follow:
            async for one in subscribe(log, after=seq, where=chosen):
                show(one)


def stats(data_dir: DataDir = None, log: Log = None, as_json: Json = False) -> None:
    """Count what is in the log: records by kind, cases, the span of time, size, what is signed and folded."""
    asyncio.run(_stats(data_dir, log, as_json))


async def _stats(data_dir: Path | None, target: str | None, as_json: bool) -> None:
    from camunda_workers.events.stats import log_stats

    async with open_log(data_dir, target) as log:
        found = await log_stats(log)
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    told: list[tuple[str, Any]] = [(name, value) for name, value in found.items() if not isinstance(value, (dict, list))]
    width = max(len(name) for name, _ in told)
    for name, value in told:
        console.print(f"{name:<{width}}  {value}", markup=False)
    for title, rows in (("records", found["byKind"]), ("partitions", found["partitions"]), ("projections", found["projections"])):
        if rows:
            table = Table(*rows[0], title=title, title_justify="left")
            for row in rows:
                table.add_row(*(str(value) for value in row.values()))
            console.print(table)


def rebuild(
    name: Annotated[str | None, typer.Argument(help="One projection; all of them without a name.")] = None,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Forget what was folded and fold it again from the first record."""
    asyncio.run(_rebuild(name, data_dir, log))


async def _rebuild(name: str | None, data_dir: Path | None, target: str | None) -> None:
    from camunda_workers.events.partitions import EveryPartition
    from camunda_workers.events.rebuild import rebuild

    async with open_log(data_dir, target) as log:
        with progress("folding") as told:
            count = await rebuild(EveryPartition(log), log, name, told)
    say(f"folded {count} records into {name or 'every projection'}")


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {"tail": tail, "stats": stats, "rebuild": rebuild}
