"""Names out of a deployed diagram: what an element is called.

Diagrams come from whoever may deploy, so they are read with everything off that XML has beyond elements: no entities, no network, no DTD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"


@dataclass(frozen=True, slots=True)
class DiagramElement:
    """One element of a diagram: its name (line breaks made spaces), its BPMN type (``userTask``), where it leads from if it is a flow."""

    name: str | None
    type: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Diagram:
    """What the read model keeps of a process: its name and the elements by id."""

    name: str | None
    elements: Mapping[str, DiagramElement]
    start_id: str | None
    start_form_id: str | None


_UNREADABLE = Diagram(None, {}, None, None)


@lru_cache(maxsize=64)
def read_diagram(xml: bytes, process_id: str) -> Diagram:
    """Read the names in a BPMN file; a file that cannot be read, or must not be, has none.

    Args:
        xml: the file.
        process_id: the process the names are wanted of; a file can hold several.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError:
        return _UNREADABLE
    # A document type can define entities; no modeler writes one.
    if root.getroottree().docinfo.internalDTD is not None:
        return _UNREADABLE
    process = next((node for node in root.iter(f"{BPMN}process") if node.get("id") == process_id), None)
    if process is None:
        return _UNREADABLE
    elements: dict[str, DiagramElement] = {}
    for node in process.iter():
        identifier, tag = node.get("id"), node.tag
        if identifier and isinstance(tag, str) and tag.startswith(BPMN):
            elements[identifier] = DiagramElement(_tidy(node.get("name")), tag.removeprefix(BPMN), node.get("sourceRef"))
    start = process.find(f"{BPMN}startEvent")
    form = process.find(f"{BPMN}startEvent/{BPMN}extensionElements/{ZEEBE}formDefinition")
    start_id = start.get("id") if start is not None else None
    return Diagram(_tidy(process.get("name")), elements, start_id, form.get("formId") if form is not None else None)


def _tidy(name: str | None) -> str | None:
    return " ".join(name.split()) or None if name else None
