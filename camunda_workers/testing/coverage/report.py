"""Coverage for the terminal, for programs (``coverage.json``) and for a browser (``index.html``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from camunda_workers.testing.coverage.collect import Coverage, DecisionCoverage, DiagramCoverage
from camunda_workers.testing.coverage.page import page

_MOST_NAMES = 8


def table(coverage: Coverage) -> Iterable[str]:
    """Lines for a terminal."""
    if not coverage.diagrams:
        yield "no process was deployed"
        return
    names = [f"{one.process_id} ({one.resource})" for one in coverage.diagrams.values()]
    width = max(len(name) for name in names)
    yield f"{'process':<{width}}  {'elements':>9}  {'flows':>9}  {'boundary':>9}  {'covered':>8}  missed"
    for name, one in zip(names, coverage.diagrams.values(), strict=True):
        elements, flows = one.missed()
        diagram = one.diagram
        boundary = diagram.boundary_events
        left = len([e for e in elements if e in boundary])
        cells = (
            f"{len(diagram.elements) - len(elements)}/{len(diagram.elements)}",
            f"{len(diagram.flows) - len(flows)}/{len(diagram.flows)}",
            f"{len(boundary) - left}/{len(boundary)}",
        )
        yield f"{name:<{width}}  {cells[0]:>9}  {cells[1]:>9}  {cells[2]:>9}  {int(one.percent()):>6} %  {_names([*elements, *flows])}"
    for one in coverage.decisions.values():
        rules = one.table.rules
        missed = [f"rule {rule.index} ({rule.id})" for rule in rules if not one.rules[rule.index]]
        yield f"decision {one.decision_id} ({one.resource}): {len(rules) - len(missed)} of {len(rules)} rules matched; missed: {_names(missed)}"
    yield f"all: {int(coverage.percent())} % of elements and flows"


def _names(missed: list[str]) -> str:
    if not missed:
        return "-"
    more = len(missed) - _MOST_NAMES
    return ", ".join(missed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def as_json(coverage: Coverage) -> dict[str, Any]:
    """What ``coverage.json`` holds."""
    return {
        "version": 1,
        "percent": round(coverage.percent(), 2),
        "processes": [_process(one) for one in coverage.diagrams.values()],
        "decisions": [_decision(one) for one in coverage.decisions.values()],
    }


def _process(one: DiagramCoverage) -> dict[str, Any]:
    diagram = one.diagram
    elements, flows = one.missed()
    return {
        "processId": one.process_id,
        "name": diagram.name,
        "resource": one.resource,
        "instances": one.instances,
        "percent": round(one.percent(), 2),
        "elements": [{"id": e.id, "name": e.name, "kind": e.kind, "count": one.elements[e.id]} for e in diagram.elements.values()],
        "flows": [
            {"id": f.id, "name": f.name, "source": f.source, "target": f.target, "count": one.flows[f.id]} for f in diagram.flows.values()
        ],
        "boundaryEvents": [{"id": e, "count": one.elements[e]} for e in sorted(diagram.boundary_events)],
        "missed": {"elements": elements, "flows": flows},
    }


def _decision(one: DecisionCoverage) -> dict[str, Any]:
    return {
        "decisionId": one.decision_id,
        "name": one.table.name,
        "resource": one.resource,
        "evaluations": one.evaluations,
        "rules": [{"index": rule.index, "id": rule.id, "inputs": rule.text, "count": one.rules[rule.index]} for rule in one.table.rules],
    }


def write(coverage: Coverage, folder: Path) -> Path:
    """Write ``coverage.json`` and ``index.html``; the page."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = as_json(coverage)
    (folder / "coverage.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    target = folder / "index.html"
    target.write_text(page(facts, [one.content.decode(errors="replace") for one in coverage.diagrams.values()]), encoding="utf-8")
    return target
