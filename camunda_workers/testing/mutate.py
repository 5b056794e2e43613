"""Mutants of a diagram: one small change each, as a modeler might make by mistake. Pure functions of the file's content."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from camunda_workers.testing.diagrams import BPMN, parse, tidy
from camunda_workers.testing.mutate_decisions import decision_changes
from camunda_workers.testing.mutate_parts import Change, Node, other_comparisons

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_TIMERS = ("timeDuration", "timeCycle")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed diagram or decision.

    Attributes:
        what: the change, in words.
        element: the id of the element, flow or decision that was changed.
        watched: tests that executed any of these (elements, flows, decisions, rules) can notice it.
        content: the changed file.
    """

    what: str
    element: str
    watched: frozenset[str]
    content: bytes


def mutants(content: bytes) -> list[Mutant]:
    """Every mutant of a BPMN or DMN file."""
    root = parse(content)
    if root is None:
        return []
    found: list[Mutant] = []
    for kind in (_conditions, _swapped_flows, _boundary_events, _timers, decision_changes):
        for change in kind(root):
            fresh = copy.deepcopy(root)
            change.make(fresh)
            found.append(Mutant(change.what, change.element, change.watched, etree.tostring(fresh, xml_declaration=True, encoding="UTF-8")))
    return found


def _by_id(root: Node, identifier: str) -> Node:
    return next(node for node in root.iter(f"{BPMN}*") if node.get("id") == identifier)


def _flows(root: Node) -> Iterator[Node]:
    yield from (flow for flow in root.iter(f"{BPMN}sequenceFlow") if flow.get("id"))


def _conditions(root: Node) -> Iterator[Change]:
    for flow in _flows(root):
        condition = flow.find(f"{BPMN}conditionExpression")
        if condition is None or not (text := (condition.text or "").strip()).startswith("="):
            continue
        identifier, source = str(flow.get("id")), str(flow.get("sourceRef"))
        expression = text.removeprefix("=").strip()
        for how, new in (("is negated", f"not({expression})"), *other_comparisons(expression)):
            yield Change(f"the condition '{tidy(expression)}' {how}", identifier, frozenset({source}), _set_condition(identifier, new))


def _set_condition(identifier: str, expression: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        _by_id(root, identifier).find(f"{BPMN}conditionExpression").text = f"={expression}"

    return make


def _swapped_flows(root: Node) -> Iterator[Change]:
    for gateway in root.iter(f"{BPMN}exclusiveGateway", f"{BPMN}inclusiveGateway"):
        identifier = gateway.get("id")
        leaving = [flow for flow in _flows(root) if flow.get("sourceRef") == identifier]
        for first, second in itertools.pairwise(leaving):
            if first.get("targetRef") != second.get("targetRef"):
                names = (str(first.get("id")), str(second.get("id")))
                yield Change(
                    f"the flows '{names[0]}' and '{names[1]}' lead where the other did",
                    identifier or "",
                    frozenset({identifier or ""}),
                    _swap(*names),
                )


def _swap(first: str, second: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        one, other = _by_id(root, first), _by_id(root, second)
        targets = (one.get("targetRef"), other.get("targetRef"))
        for flow, target, old in ((one, targets[1], targets[0]), (other, targets[0], targets[1])):
            flow.set("targetRef", target)
            _set_incoming(root, flow.get("id"), old, target)

    return make


def _set_incoming(root: Node, flow: str, old: str, new: str) -> None:
    for node in _by_id(root, old).findall(f"{BPMN}incoming"):
        if node.text == flow:
            node.getparent().remove(node)
    node = etree.Element(f"{BPMN}incoming")
    node.text = flow
    target = _by_id(root, new)
    # After what must come first: documentation, extension elements, and the incoming flows that are there.
    place = len([child for child in target if child.tag in (f"{BPMN}documentation", f"{BPMN}extensionElements", f"{BPMN}incoming")])
    target.insert(place, node)


def _boundary_events(root: Node) -> Iterator[Change]:
    for event in root.iter(f"{BPMN}boundaryEvent"):
        identifier = str(event.get("id"))
        name = tidy(event.get("name")) or identifier
        watched = frozenset({identifier, str(event.get("attachedToRef"))})
        yield Change(f"the boundary event '{name}' is gone", identifier, watched, _remove_event(identifier))
        if event.find(f"{BPMN}compensateEventDefinition") is None and event.find(f"{BPMN}errorEventDefinition") is None:
            now = event.get("cancelActivity", "true") != "false"
            how = "no longer interrupts" if now else "interrupts"
            yield Change(
                f"the boundary event '{name}' {how}",
                identifier,
                frozenset({identifier}),
                _set_attribute(identifier, "cancelActivity", "false" if now else "true"),
            )


def _remove_event(identifier: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        for flow in list(root.iter(f"{BPMN}sequenceFlow", f"{BPMN}association")):
            if flow.get("sourceRef") == identifier:
                for node in list(root.iter(f"{BPMN}incoming")):
                    if node.text == flow.get("id"):
                        node.getparent().remove(node)
                _remove(root, flow)
        _remove(root, _by_id(root, identifier))

    return make


def _remove(root: Node, node: Node) -> None:
    """Remove an element and its drawing: the engine refuses a shape of nothing."""
    identifier = node.get("id")
    for drawn in list(root.iter("{*}BPMNShape", "{*}BPMNEdge")):
        if drawn.get("bpmnElement") == identifier:
            drawn.getparent().remove(drawn)
    node.getparent().remove(node)


def _set_attribute(identifier: str, name: str, value: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        _by_id(root, identifier).set(name, value)

    return make


def _timers(root: Node) -> Iterator[Change]:
    for definition in root.iter(f"{BPMN}timerEventDefinition"):
        event = definition.getparent()
        identifier = str(event.get("id"))
        for tag in _TIMERS:
            timer = definition.find(f"{BPMN}{tag}")
            text = (timer.text or "").strip() if timer is not None else ""
            if found := _DURATION.search(text):
                for how, factor in (("twice as late", 2.0), ("in half the time", 0.5)):
                    if new := _times(found, factor):
                        changed = f"{text[: found.start()]}{new}{text[found.end() :]}"
                        # Whoever was there when it was to fire, or before, may notice.
                        watched = frozenset({identifier, str(event.get("attachedToRef") or identifier)})
                        yield Change(
                            f"the timer '{identifier}' fires {how} ({changed} for {text})",
                            identifier,
                            watched,
                            _set_timer(identifier, tag, changed),
                        )


def _times(found: re.Match[str], factor: float) -> str:
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = round((days * 86400 + hours * 3600 + minutes * 60 + seconds) * factor)
    return f"PT{total}S" if total > 0 else ""


def _set_timer(identifier: str, tag: str, text: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        _by_id(root, identifier).find(f"{BPMN}timerEventDefinition/{BPMN}{tag}").text = text

    return make
