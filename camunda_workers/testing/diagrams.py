"""What a deployed diagram consists of: elements, flows, boundary events, rules. Read once per content and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"

_NOT_FLOW_NODES = {
    "process", "sequenceFlow", "incoming", "outgoing", "association", "textAnnotation", "extensionElements", "documentation", "laneSet", "lane",
    "dataObject", "dataObjectReference", "dataStoreReference", "group", "category", "message", "error", "signal", "escalation", "ioSpecification",
    "property", "participant", "collaboration", "conditionExpression", "flowNodeRef", "multiInstanceLoopCharacteristics",
    "standardLoopCharacteristics", "completionCondition", "timeDuration", "timeDate", "timeCycle", "script", "dataInput", "dataOutput",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Element:
    """A flow node of a diagram.

    Attributes:
        kind: its BPMN tag, ``userTask`` for example.
        event: the tag of its event definition without ``EventDefinition`` (``timer``); empty for a plain event or no event.
        attached_to: the activity that a boundary event sits on.
        parent: the sub-process it is in; ``None`` at the top.
        job_type: the job type, where it is written down and no expression.
        examples: Camunda Modeler's example output data, as JSON text.
    """

    id: str
    name: str
    kind: str
    event: str
    attached_to: str | None
    parent: str | None
    job_type: str | None
    examples: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """A sequence flow."""

    id: str
    name: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class ProcessDiagram:
    """One process of a BPMN file."""

    process_id: str
    name: str
    elements: Mapping[str, Element]
    flows: Mapping[str, Flow]

    @property
    def boundary_events(self) -> frozenset[str]:
        """Ids of the boundary events."""
        return frozenset(one.id for one in self.elements.values() if one.kind == "boundaryEvent")

    def named(self, name: str) -> list[Element]:
        """The elements with this name; line breaks count as spaces."""
        return [one for one in self.elements.values() if one.name == tidy(name)]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of a decision table, numbered from 1."""

    id: str
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """A decision of a DMN file with its rules."""

    decision_id: str
    name: str
    rules: tuple[Rule, ...]


def tidy(name: str | None) -> str:
    """A name with line breaks made spaces."""
    return " ".join(name.split()) if name else ""


def digest(content: bytes) -> str:
    """A short name for a content."""
    return hashlib.sha256(content).hexdigest()[:16]


def parse(content: bytes) -> etree._Element | None:  # pyright: ignore[reportPrivateUsage]
    """The root of an XML file; ``None`` when it cannot be read or must not be."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None
    return None if root.getroottree().docinfo.internalDTD is not None else root


@lru_cache(maxsize=64)
def read_processes(content: bytes) -> Mapping[str, ProcessDiagram]:
    """The processes of a BPMN file by id; none when it cannot be read."""
    root = parse(content)
    found: dict[str, ProcessDiagram] = {}
    for process in root.iter(f"{BPMN}process") if root is not None else ():
        elements: dict[str, Element] = {}
        flows: dict[str, Flow] = {}
        for node in process.iter(f"{BPMN}*"):
            tag, identifier = str(node.tag).removeprefix(BPMN), node.get("id")
            if identifier is None:
                continue
            if tag == "sequenceFlow":
                flows[identifier] = Flow(identifier, tidy(node.get("name")), node.get("sourceRef", ""), node.get("targetRef", ""))
            elif tag not in _NOT_FLOW_NODES and not tag.endswith("EventDefinition"):
                elements[identifier] = _element(node, identifier, tag)
        process_id = process.get("id", "")
        found[process_id] = ProcessDiagram(process_id, tidy(process.get("name")) or process_id, elements, flows)
    return found


def _element(node: etree._Element, identifier: str, tag: str) -> Element:  # pyright: ignore[reportPrivateUsage]
    event = next((str(child.tag) for child in node if str(child.tag).endswith("EventDefinition")), "")
    parent = node.getparent()
    task = node.find(f"{BPMN}extensionElements/{ZEEBE}taskDefinition")
    job_type = task.get("type") if task is not None else None
    properties = node.iterfind(f"{BPMN}extensionElements/{ZEEBE}properties/{ZEEBE}property")
    example = next((one.get("value") for one in properties if one.get("name") == "camundaModeler:exampleOutputJson"), None)
    return Element(
        id=identifier,
        name=tidy(node.get("name")),
        kind=tag,
        event=event.removeprefix(BPMN).removesuffix("EventDefinition"),
        attached_to=node.get("attachedToRef"),
        parent=parent.get("id") if parent is not None and parent.tag != f"{BPMN}process" else None,
        job_type=job_type if job_type and not job_type.startswith("=") else None,
        examples=example,
    )


@lru_cache(maxsize=64)
def read_decisions(content: bytes) -> Mapping[str, DecisionTable]:
    """The decisions of a DMN file by id; those that are no tables have no rules."""
    root = parse(content)
    found: dict[str, DecisionTable] = {}
    for decision in root.iter("{*}decision") if root is not None else ():
        rules: list[Rule] = []
        for index, rule in enumerate(decision.iterfind("{*}decisionTable/{*}rule"), start=1):
            texts = [tidy(entry.findtext("{*}text")) or "-" for entry in rule.iterfind("{*}inputEntry")]
            rules.append(Rule(rule.get("id", str(index)), index, " | ".join(texts)))
        decision_id = decision.get("id", "")
        found[decision_id] = DecisionTable(decision_id, tidy(decision.get("name")) or decision_id, tuple(rules))
    return found
