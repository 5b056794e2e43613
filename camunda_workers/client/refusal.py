"""Reads more out of the engine's words about a file it refused: the element at fault, where they do not name it, and what to do.

The engine (8.8) names the element for most mistakes in BPMN. It does not for what the XML schema refuses, nor for anything in DMN; then the
words still hold something that is in the file once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

Node = etree._Element  # pyright: ignore[reportPrivateUsage]

_EXPRESSION = re.compile(r"failed to parse expression '(?P<expression>.*?)': Expected", re.DOTALL)
_REFERENCE = re.compile(r"no ID/IDREF binding for IDREF '(?P<id>[^']*)'")
_MISPLACED = re.compile(r"starting with element '\{\"?(?P<namespace>[^\"}]*)\"?:(?P<name>[^}\"]*)\}'")
_TWICE = re.compile(r"multiple occurrences of ID value '(?P<id>[^']*)'")

_ADVICE = (
    (_EXPRESSION, "correct the FEEL expression"),
    (_REFERENCE, "draw what has this id, or remove what refers to it"),
    (_MISPLACED, "remove it, or open the file in Camunda Modeler and save it again"),
    (_TWICE, "give one of them another id"),
    (re.compile(r"DmnModelException: Unable to parse"), "open the file in Camunda Modeler, correct what it marks and save it again"),
    (re.compile(r"zeebe:taskDefinition"), "set the task's job type in Camunda Modeler's properties panel"),
)


def with_advice(words: str) -> str:
    """The engine's words and what to do about it; the words alone where they say it all."""
    known = next((text for pattern, text in _ADVICE if pattern.search(words)), "")
    return f"{words.rstrip('.')}. Fix: {known}" if known else words


def element_at_fault(words: str, root: Node | None) -> str | None:
    """The id of the element that the words are about; in DMN the id of the decision.

    Args:
        words: what the engine said about this file.
        root: the file; ``None`` when it is not XML.

    Returns:
        The id, or ``None`` when several could be meant or none.
    """
    if match := _TWICE.search(words):
        return match["id"]
    if root is None:
        return None
    found = {_id_of(node) for node in _meant(words, root)} - {None}
    return found.pop() if len(found) == 1 else None


def _meant(words: str, root: Node) -> Iterable[Node]:
    if match := _EXPRESSION.search(words):
        expression = _folded(match["expression"])
        return (node for node in _elements(root) if expression in map(_folded, _texts(node)))
    if match := _REFERENCE.search(words):
        missing = match["id"]
        return (node for node in _elements(root) if missing in map(str.strip, _texts(node)))
    if match := _MISPLACED.search(words):
        return root.iter(f"{{{match['namespace']}}}{match['name']}")
    return ()


def _elements(root: Node) -> Iterable[Node]:
    return root.iter("{*}*")  # comments and processing instructions have no such name


def _texts(node: Node) -> list[str]:
    return [node.text or "", *(str(value) for value in node.attrib.values())]


def _folded(text: str) -> str:
    return " ".join(text.split()).removeprefix("=").strip()


def _id_of(node: Node) -> str | None:
    """The nearest id; in DMN the decision's, for those of its cells are made by the Modeler and nobody has seen them."""
    around = [node, *node.iterancestors()]
    decision = next((one for one in around if etree.QName(one).localname in ("decision", "businessKnowledgeModel")), None)
    return (decision if decision is not None else next((one for one in around if one.get("id")), node)).get("id")
