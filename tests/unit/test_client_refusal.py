"""What is read out of the engine's words about a refused file, beyond what they say themselves."""

from __future__ import annotations

import pytest
from lxml import etree

from camunda_workers.client.refusal import element_at_fault, with_advice
from tests.support.diagrams import process, sequence, service_task
from tests.support.resources import table

NO_PARSE = "FEEL unary-tests: failed to parse expression '{}': Expected (start-of-input):1:1, found \"x\""
NO_ID = "Error: URI=null Line=1: cvc-id.1: There is no ID/IDREF binding for IDREF 'nowhere'."
MISPLACED = (
    "cvc-complex-type.2.4.a: Invalid content was found starting with element "
    "'{\"http://www.omg.org/spec/BPMN/20100524/MODEL\":wish}'. One of '{…}' is expected."
)
DIAGRAM = process("claim", sequence(service_task("work", "work")))


@pytest.mark.parametrize(
    ("words", "content", "element"),
    [
        (NO_PARSE.format("> = 3 ("), table("risk", first="&gt; = 3 ("), "risk"),
        (NO_PARSE.format("amount\n  +"), table("risk", expression="amount  +"), "risk"),
        (NO_PARSE.format("not in it"), table("risk"), None),
        (NO_PARSE.format("x ("), table("risk", first="x (", second="x ("), "risk"),
        (NO_ID, DIAGRAM.replace(b'targetRef="ended"', b'targetRef="nowhere"'), "flow-1"),
        (NO_ID, DIAGRAM.replace(b'Ref="work"', b'Ref="nowhere"'), None),  # two flows: naming one of them would mislead
        (MISPLACED, DIAGRAM.replace(b'<bpmn:endEvent id="ended"/>', b'<bpmn:wish id="w"/>'), "w"),
        (MISPLACED, DIAGRAM.replace(b'<bpmn:endEvent id="ended"/>', b"<!-- one --><bpmn:wish/>"), "claim"),
        ("There are multiple occurrences of ID value 'work'.", DIAGRAM, "work"),
        ("something else", DIAGRAM, None),
    ],
)
def test_the_element_at_fault(words: str, content: bytes, element: str | None) -> None:
    assert element_at_fault(words, etree.fromstring(content)) == element


def test_what_is_no_xml_has_no_elements() -> None:
    assert element_at_fault(NO_ID, None) is None


def test_advice_follows_the_engines_words() -> None:
    assert with_advice(NO_ID) == NO_ID.rstrip(".") + ". Fix: draw what has this id, or remove what refers to it"
    assert with_advice("Must reference a message") == "Must reference a message"
