"""Collects what was executed from the journals of tests, by the content of the diagram: two versions of a process do not mix."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.testing.diagrams import DecisionTable, ProcessDiagram, digest, read_decisions, read_processes
from camunda_workers.testing.journal import Journal


@dataclass(slots=True)
class DiagramCoverage:
    """How often the parts of one process were executed; parts that were not are not in the counters."""

    resource: str
    content: bytes
    process_id: str
    instances: int = 0
    elements: Counter[str] = field(default_factory=Counter[str])
    flows: Counter[str] = field(default_factory=Counter[str])

    @property
    def diagram(self) -> ProcessDiagram:
        """The parts there are."""
        return read_processes(self.content)[self.process_id]

    def missed(self) -> tuple[list[str], list[str]]:
        """Elements and flows that were not executed, in the diagram's order."""
        diagram = self.diagram
        return [one for one in diagram.elements if not self.elements[one]], [one for one in diagram.flows if not self.flows[one]]

    def counts(self) -> tuple[int, int]:
        """How many elements and flows were executed, and how many there are."""
        elements, flows = self.missed()
        total = len(self.diagram.elements) + len(self.diagram.flows)
        return total - len(elements) - len(flows), total

    def percent(self) -> float:
        """The part of elements and flows that was executed."""
        hit, total = self.counts()
        return 100.0 * hit / total if total else 100.0


@dataclass(slots=True)
class DecisionCoverage:
    """How often the rules of one decision matched."""

    resource: str
    content: bytes
    decision_id: str
    evaluations: int = 0
    rules: Counter[int] = field(default_factory=Counter[int])

    @property
    def table(self) -> DecisionTable:
        """The rules there are."""
        return read_decisions(self.content)[self.decision_id]


class Coverage:
    """What a run of tests executed."""

    def __init__(self) -> None:
        self.diagrams: dict[str, DiagramCoverage] = {}
        self.decisions: dict[str, DecisionCoverage] = {}

    def note(self, journal: Journal) -> None:
        """Add what one test executed."""
        for process in journal.processes.values():
            if not process.resource.startswith("mock-") and process.process_id in read_processes(process.content):
                self._diagram(process.resource, process.content, process.process_id)
        for instance in journal.instances.values():
            process = journal.processes.get(instance.definition)
            if process is None or process.resource.startswith("mock-") or process.process_id not in read_processes(process.content):
                continue
            one = self._diagram(process.resource, process.content, process.process_id)
            one.instances += 1
            # An interrupted task was executed as well: its boundary event, or the error it threw, is what was tested.
            one.elements.update(e.element_id for e in instance.elements.values() if e.state in ("completed", "terminated"))
            one.flows.update(instance.flows)
            # The engine takes the flows out of an event-based gateway without a record; the event behind it tells.
            gateways = {e.id for e in one.diagram.elements.values() if e.kind == "eventBasedGateway"}
            completed = Counter(instance.path())
            for flow in one.diagram.flows.values():
                if flow.source in gateways and completed[flow.target]:
                    one.flows[flow.id] += completed[flow.target]
        for requirements in journal.requirements.values():
            for decision_id, table in read_decisions(requirements.content).items():
                if table.rules:
                    self._decision(requirements.resource, requirements.content, decision_id)
        for decision in journal.decisions:
            requirements = journal.requirements.get(decision.requirements)
            if requirements is not None and read_decisions(requirements.content).get(decision.decision_id, DecisionTable("", "", ())).rules:
                found = self._decision(requirements.resource, requirements.content, decision.decision_id)
                found.evaluations += 1
                found.rules.update(decision.rules)

    def percent(self) -> float:
        """The part of all elements and flows that was executed."""
        counts = [one.counts() for one in self.diagrams.values()]
        total = sum(all_ for _, all_ in counts)
        return 100.0 * sum(hit for hit, _ in counts) / total if total else 100.0

    def to_json(self) -> str:
        """All of it as text, for `merge_json` in another process."""
        return json.dumps(
            {
                "diagrams": [
                    [one.resource, base64.b64encode(one.content).decode(), one.process_id, one.instances, one.elements, one.flows]
                    for one in self.diagrams.values()
                ],
                "decisions": [
                    [one.resource, base64.b64encode(one.content).decode(), one.decision_id, one.evaluations, one.rules]
                    for one in self.decisions.values()
                ],
            }
        )

    def merge_json(self, text: str) -> None:
        """Add what another process collected."""
        found: dict[str, Any] = json.loads(text)
        for resource, content, process_id, instances, elements, flows in found["diagrams"]:
            one = self._diagram(resource, base64.b64decode(content), process_id)
            one.instances += instances
            one.elements.update(elements)
            one.flows.update(flows)
        for resource, content, decision_id, evaluations, rules in found["decisions"]:
            decision = self._decision(resource, base64.b64decode(content), decision_id)
            decision.evaluations += evaluations
            decision.rules.update({int(rule): count for rule, count in rules.items()})

    def _diagram(self, resource: str, content: bytes, process_id: str) -> DiagramCoverage:
        return self.diagrams.setdefault(f"{digest(content)}:{process_id}", DiagramCoverage(resource, content, process_id))

    def _decision(self, resource: str, content: bytes, decision_id: str) -> DecisionCoverage:
        return self.decisions.setdefault(f"{digest(content)}:{decision_id}", DecisionCoverage(resource, content, decision_id))
