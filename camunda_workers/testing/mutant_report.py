"""``camunda-workers test --mutate``: which mistakes in the diagrams the tests would not notice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from camunda_workers.errors import ConfigurationError
from camunda_workers.testing.mutants import Fate, Suite, Verdict, hunt

_GIVES_UP = 3.0
"""Seconds: a mutant that makes a test wait is noticed."""


def report_mutants(files: list[Path], python: list[Path], deploy: list[Path], *, timeout: float, as_json: bool) -> int:
    """Run the tests, then the mutants; the exit code: 0 when every mutant was noticed, 1 otherwise.

    Raises:
        ConfigurationError: the tests do not pass as they are, or deploy nothing.
    """
    console = Console(highlight=False, quiet=as_json)
    suite = Suite(files, python, deploy, timeout=min(timeout, _GIVES_UP))
    with console.status("Running the tests as they are"):
        traces, failed = suite.traces()
    if failed:
        raise ConfigurationError(f"mutants tell something only when the tests pass; these fail: {', '.join(failed[:5])}")
    if not any(one.deployed for one in traces):
        raise ConfigurationError("these tests deploy no diagram with the kit: there is nothing to change")
    columns = (TextColumn("mutants"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=as_json), transient=True) as progress:
        task = progress.add_task("", total=None)
        verdicts = hunt(suite, traces, lambda done, total, _: progress.update(task, completed=done, total=total))
    if as_json:
        print(json.dumps({"tests": len(traces), "mutants": [_row(one) for one in verdicts]}, ensure_ascii=False))
    else:
        _show(console, verdicts, len(traces))
    return 0 if all(one.fate is Fate.NOTICED for one in verdicts) else 1


def _row(one: Verdict) -> dict[str, str]:
    return {"resource": one.resource, "element": one.mutant.element, "change": one.mutant.what, "fate": one.fate.value, "noticedBy": one.by}


def _show(console: Console, verdicts: list[Verdict], tests: int) -> None:
    counts = Counter(one.fate for one in verdicts)
    console.print(f"[bold]{counts[Fate.NOTICED]} of {len(verdicts)} mutants were noticed[/bold] by {tests} tests")
    for fate, title in ((Fate.SURVIVED, "not noticed: no test checks what follows"), (Fate.UNTESTED, "not tested: no test goes there")):
        if not counts[fate]:
            continue
        console.print(f"\n[red]{title}[/red]")
        for one in verdicts:
            if one.fate is fate:
                console.print(f"  {one.resource}  {one.mutant.element}: {one.mutant.what}", markup=False, soft_wrap=True)
