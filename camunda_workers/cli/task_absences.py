"""``camunda-workers tasks absence``: who is away, and who stands in."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from camunda_workers.cli.task_session import As, Groups, Json, run, show_json

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    person: Annotated[str, typer.Argument(help="Who is away.", metavar="USER")],
    substitute: Annotated[str, typer.Argument(help="Who does their tasks.", metavar="SUBSTITUTE")],
    start: Annotated[datetime, typer.Option("--from", help="From when (this machine's time).")],
    end: Annotated[datetime, typer.Option("--to", help="Until when.")],
    note: Annotated[str, typer.Option(help="A few words to go with it.")] = "",
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Have somebody stand in while somebody is away."""
    times = (start.astimezone(), end.astimezone())
    number = run(lambda session: session.tasks.absent(session.caller, person, substitute, *times, note=note), user, groups)
    if as_json:
        show_json({"id": number})
    else:
        print(f"absence {number}: {substitute} stands in for {person}")


@app.command("list")
def list_(user: As = None, groups: Groups = None, as_json: Json = False) -> None:
    """Show absences that have not ended: yours and those in which you stand in; to supervisors, all."""
    found = run(lambda session: session.tasks.absences(session.caller), user, groups)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        print(
            f"{one.id}: {one.person}, {one.starts_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M %Z}, {one.substitute} stands in  {one.note}".rstrip()
        )
    if not found:
        print("nobody is away")


@app.command()
def end(
    absence: Annotated[int, typer.Argument(help="The absence's number.", metavar="ABSENCE")],
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """End an absence early."""
    run(lambda session: session.tasks.back(session.caller, absence), user, groups)
    if as_json:
        show_json({"id": absence})
    else:
        print(f"absence {absence} has ended")
