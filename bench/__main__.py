"""Runs every benchmark, prints a table and writes ``bench/results.json``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.result import Result

MODULES = ["start", "engine", "gateway", "gateway_broker", "durable", "worker", "drain", "log", "tasks", "testing"]


def main(chosen: list[str]) -> int:
    """Run the chosen modules (all without a choice); 1 when a target was missed."""
    console = Console()
    results: list[Result] = []
    for name in chosen or MODULES:
        with console.status(f"measuring {name}"):
            for result in importlib.import_module(f"bench.{name}").run():
                results.append(result)
                console.print(f"  {result.name}: {result.ours:.3g} {result.unit}", highlight=False)
    table = Table("what", "ours", "peer", "ratio", "target", "met", title="Benchmarks")
    for result in results:
        bound = f"{'≤' if result.at_most else '≥'} {result.target:g}{'' if result.peer is None else ' ×'}"
        peer = "" if result.peer is None else f"{result.peer:.3g}"
        table.add_row(
            result.name, f"{result.ours:.3g} {result.unit}", peer, f"{result.ratio:.2f}", bound, "yes" if result.met else "[bold red]no"
        )
    console.print(table)
    rows: list[dict[str, Any]] = [
        {"name": r.name, "unit": r.unit, "ours": r.ours, "peer": r.peer, "ratio": r.ratio, "target": r.target, "met": r.met}
        for r in results
    ]
    Path(__file__).with_name("results.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
