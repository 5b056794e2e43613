"""The claims diagram, its decision and its forms: well-formed, complete, readable, and agreeing with each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.acceptance.claims_stories import STORIES

ROOT = Path(__file__).resolve().parents[2]
BPMN, DMN = ROOT / "bpmn/claims/claims.bpmn", ROOT / "bpmn/claims/fraud-score.dmn"
FORMS = sorted((ROOT / "forms").glob("claims.*.form"))
NS = {
    "bpmn": "http://www.omg.org/spec/BPMN/20100524/MODEL", "bpmndi": "http://www.omg.org/spec/BPMN/20100524/DI",
    "dc": "http://www.omg.org/spec/DD/20100524/DC", "di": "http://www.omg.org/spec/DD/20100524/DI",
    "zeebe": "http://camunda.org/schema/zeebe/1.0", "dmn": "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "dmndi": "https://www.omg.org/spec/DMN/20191111/DMNDI/",
}  # fmt: skip
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAXIMUM_SIZE = (2200, 900)
Node = etree._Element  # pyright: ignore[reportPrivateUsage]
Box = tuple[float, float, float, float]
Segment = tuple[float, float, float, float]


def parse(path: Path) -> Node:
    return etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


DIAGRAM = parse(BPMN)


def find(query: str, node: Node = DIAGRAM) -> list[Node]:
    found = node.xpath(query, namespaces=NS)
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, Node)]


def local(node: Node) -> str:
    return etree.QName(node).localname


def elements() -> dict[str, Node]:
    kinds = ("Event", "Task", "Gateway", "subProcess")
    return {node.get("id", ""): node for node in find("//bpmn:process//*[@id]") if local(node).endswith(kinds)}


def flows() -> dict[str, Node]:
    return {node.get("id", ""): node for node in find("//bpmn:sequenceFlow")}


def box(node: Node) -> Box:
    x, y, width, height = (float(node.get(name, "nan")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def shapes() -> dict[str, Box]:
    return {node.get("bpmnElement", ""): box(find("dc:Bounds", node)[0]) for node in find("//bpmndi:BPMNShape")}


def labels() -> dict[str, Box]:
    return {(n.getparent().getparent().get("bpmnElement", "")): box(n) for n in find("//bpmndi:BPMNLabel/dc:Bounds")}  # type: ignore[union-attr]


def edges() -> dict[str, list[Segment]]:
    drawn: dict[str, list[Segment]] = {}
    for edge in find("//bpmndi:BPMNEdge"):
        points = [(float(p.get("x", "nan")), float(p.get("y", "nan"))) for p in find("di:waypoint", edge)]
        drawn[edge.get("bpmnElement", "")] = [(*start, *end) for start, end in pairwise(points)]
    return drawn


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def touches(line: Segment, area: Box) -> bool:
    # Every line of the diagram is horizontal or vertical, so its bounding box is the line.
    return overlap((min(line[0], line[2]), min(line[1], line[3]), max(line[0], line[2]) + 0.1, max(line[1], line[3]) + 0.1), area)


def crosses(one: Segment, other: Segment) -> bool:
    for flat, upright in ((one, other), (other, one)):
        if flat[1] == flat[3] and upright[0] == upright[2]:
            left, right, top, bottom = min(flat[::2]), max(flat[::2]), min(upright[1::2]), max(upright[1::2])
            if left < upright[0] < right and top < flat[1] < bottom:
                return True
    return False


@pytest.mark.parametrize("path", [BPMN, DMN], ids=lambda path: path.name)
def test_is_well_formed_without_a_document_type(path: Path) -> None:
    assert b"<!DOCTYPE" not in path.read_bytes()
    root = parse(path)
    assert root.get("{http://camunda.org/schema/modeler/1.0}executionPlatform") == "Camunda Cloud"
    assert root.get("{http://camunda.org/schema/modeler/1.0}executionPlatformVersion") == "8.8.0"


def test_everything_is_drawn() -> None:
    assert set(elements()) == set(shapes())
    associations = {node.get("id", "") for node in find("//bpmn:association")}
    assert set(flows()) | associations == set(edges())
    named_apart = {key for key, node in elements().items() if node.get("name") and not local(node).endswith(("Task", "subProcess"))}
    named_apart |= {key for key, node in flows().items() if node.get("name")}
    assert named_apart == set(labels())


def test_fits_one_screen() -> None:
    boxes = list(shapes().values())
    width, height = max(b[2] for b in boxes) - min(b[0] for b in boxes), max(b[3] for b in boxes) - min(b[1] for b in boxes)
    assert width <= MAXIMUM_SIZE[0]
    assert height <= MAXIMUM_SIZE[1]


def test_no_flow_crosses_another() -> None:
    for (one, first), (other, second) in combinations(edges().items(), 2):
        assert not any(crosses(a, b) for a in first for b in second), f"{one} crosses {other}"


def test_no_flow_runs_through_an_element_it_does_not_join() -> None:
    containers = {key for key, node in elements().items() if local(node) == "subProcess"}
    lines = edges()
    for key, flow in (flows() | {n.get("id", ""): n for n in find("//bpmn:association")}).items():
        ends = {flow.get("sourceRef"), flow.get("targetRef")}
        ends |= {elements()[end].get("attachedToRef") for end in ends if end in elements()}
        for element, area in shapes().items():
            if element not in ends and element not in containers:
                assert not any(touches(line, area) for line in lines[key]), f"{key} runs through {element}"


def test_no_label_lies_on_anything_else() -> None:
    containers = {key for key, node in elements().items() if local(node) == "subProcess"}
    boxes = {key: area for key, area in shapes().items() if key not in containers}
    for key, area in labels().items():
        for element, other in boxes.items():
            assert not overlap(area, other), f"the label of {key} lies on {element}"
        for edge, lines in edges().items():
            assert not any(touches(line, area) for line in lines), f"the label of {key} lies on {edge}"
    for (one, area), (other, second) in combinations(labels().items(), 2):
        assert not overlap(area, second), f"the labels of {one} and {other} overlap"


def test_the_picture_shows_this_diagram() -> None:
    # Drawn anew by `python scripts/render bpmn/claims/claims.bpmn --svg docs/pictures/claims.svg --png docs/pictures/claims.png`.
    picture = parse(ROOT / "docs/pictures/claims.svg")
    drawn = {str(each) for each in picture.xpath("//@data-element-id")}  # type: ignore[union-attr]
    assert {each.removesuffix("_label") for each in drawn} - {"claim"} == set(shapes()) | set(edges())
    width = int.from_bytes((ROOT / "docs/pictures/claims.png").read_bytes()[16:20])
    assert width >= 1800


def test_ids_are_kebab_case() -> None:
    for node in find("//*[@id]"):
        assert KEBAB.fullmatch(node.get("id", "")), node.get("id")


def test_splitting_gateways_ask_and_their_flows_answer() -> None:
    for key, gateway in elements().items():
        outgoing = [flow for flow in flows().values() if flow.get("sourceRef") == key]
        if local(gateway) not in ("exclusiveGateway", "inclusiveGateway"):
            continue
        if len(outgoing) == 1:
            assert not gateway.get("name"), f"{key} only joins, it has no name"
            continue
        assert gateway.get("name", "").endswith("?"), key
        for flow in outgoing:
            assert flow.get("name"), f"{flow.get('id')} is no answer"
            assert (flow.get("id") == gateway.get("default")) != bool(find("bpmn:conditionExpression", flow)), flow.get("id")


def test_every_other_element_is_named() -> None:
    for key, node in elements().items():
        assert node.get("name") or local(node).endswith("Gateway"), key


def test_every_service_task_shows_or_documents_its_failure_path() -> None:
    caught = {event.get("attachedToRef") for event in find("//bpmn:boundaryEvent[bpmn:errorEventDefinition]")}
    for task in find("//bpmn:serviceTask | //bpmn:businessRuleTask | //bpmn:scriptTask"):
        assert task.get("id") in caught or any("Failure path" in (d.text or "") for d in find("bpmn:documentation", task)), task.get("id")


def test_job_types() -> None:
    for task in find("//bpmn:serviceTask"):
        (definition,) = find("bpmn:extensionElements/zeebe:taskDefinition", task)
        shared = {"escalate-assessment": "escalate-task"}
        expected = "tell-claimant" if task.get("id", "").startswith("tell-") else shared.get(task.get("id", ""), task.get("id"))
        assert definition.get("type") == expected
    headers = {h.getparent().getparent().getparent().get("id"): h.get("value") for h in find("//zeebe:header[@key='template']")}  # type: ignore[union-attr]
    assert headers == {
        "tell-claimant": "paid", "tell-claimant-declined": "declined", "tell-not-covered": "not-covered", "tell-withdrawn": "withdrawn"
    }  # fmt: skip


def test_user_tasks_have_a_form_a_group_and_a_deadline() -> None:
    expected = {
        "assess-claim": ("claims.assess-claim", "claims-assessors", "P2D"),
        "approve-payment": ("claims.approve-payment", "claims-approvers", "P1D"),
        "pay-by-hand": ("claims.pay-by-hand", "claims-payments", "P1D"),
    }
    tasks = find("//bpmn:userTask")
    assert {task.get("id") for task in tasks} == set(expected)
    for task in tasks:
        form, group, due = expected[task.get("id", "")]
        (settings,) = find("bpmn:extensionElements", task)
        assert find("zeebe:userTask", settings)
        assert find("zeebe:formDefinition", settings)[0].get("formId") == form
        assert find("zeebe:assignmentDefinition", settings)[0].get("candidateGroups") == group
        assert find("zeebe:taskSchedule", settings)[0].get("dueDate") == f'=now() + duration("{due}")'
    listeners = find("//zeebe:taskListener")
    assert {(n.get("eventType"), n.get("type")) for n in listeners} == {("assigning", "four-eyes"), ("completing", "four-eyes")}


def test_the_forms_are_those_the_diagram_names() -> None:
    named = {node.get("formId") for node in find("//zeebe:formDefinition")}
    assert {path.name.removesuffix(".form") for path in FORMS} == named


def fields(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for component in components:
        yield component
        yield from fields(component.get("components", []))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_is_complete_and_submits_only_its_contract(path: Path) -> None:
    form = json.loads(path.read_text(encoding="utf-8"))
    assert (form["type"], form["id"], form["executionPlatform"]) == ("default", path.name.removesuffix(".form"), "Camunda Cloud")
    assert form["executionPlatformVersion"] == "8.8.0"
    assert form["schemaVersion"] >= 18
    parts = list(fields(form["components"]))
    ids = [part["id"] for part in parts]
    assert len(ids) == len(set(ids))
    assert all(KEBAB.fullmatch(each) for each in ids)
    contract = {
        "claims.assess-claim": {"assessment.outcome", "assessment.amount", "assessment.notes"},
        "claims.approve-payment": {"approval.outcome", "approval.notes"},
        "claims.pay-by-hand": {"payment.payment_id", "payment.amount", "payment.paid_at"},
    }
    inputs = {part["key"]: part for part in parts if "key" in part}
    assert set(inputs) == contract[form["id"]]
    assert all(part["validate"]["required"] for part in inputs.values())


def test_the_decision_is_the_one_the_diagram_calls_and_is_drawn() -> None:
    (called,) = find("//zeebe:calledDecision")
    assert (called.get("decisionId"), called.get("resultVariable")) == ("fraud-score", "fraud")
    table = parse(DMN)
    parts = {n.get("id") for n in find("//dmn:decision | //dmn:inputData | //dmn:informationRequirement", table)}
    assert "fraud-score" in parts
    assert parts == {n.get("dmnElementRef") for n in find("//dmndi:DMNShape | //dmndi:DMNEdge", table)}
    for rule in find("//dmn:rule", table):
        assert find("dmn:inputEntry/dmn:text[text()]", rule), f"{rule.get('id')} fits every claim"


def test_the_stories_name_every_flow_and_only_elements_of_the_diagram() -> None:
    waiting = {key for key, node in elements().items() if local(node) == "eventBasedGateway"}
    told = {flow for story in STORIES for flow in story.flows}
    assert told == {key for key, flow in flows().items() if flow.get("sourceRef") not in waiting}
    for story in STORIES:
        assert {story.end, *story.never} <= set(elements()), story.name
