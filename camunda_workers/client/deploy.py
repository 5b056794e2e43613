"""Which files are deployed, and whether they may be.

Files are looked at before they are sent, so that a broken one is refused in a moment with its name and what to do. The look is shallow on
purpose: the engine is the judge of what a diagram means, and its rejections come back as the same `BadResource`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast
from xml.parsers import expat

from lxml import etree

from camunda_workers.client.refusal import element_at_fault, with_advice
from camunda_workers.errors import BadResource

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
"""The namespace of BPMN 2.0."""

_DMN = re.compile(r"https?://www\.omg\.org/spec/DMN/\S+")
_CAMUNDA_7 = "http://camunda.org/schema/1.0/bpmn"
_KINDS = (".bpmn", ".dmn", ".form")
_MAX_DEPTH = 256

_REJECTED_FILE = re.compile(r"^\s*'(?P<name>[^'\n]+)':", re.MULTILINE)
_REJECTED_ELEMENT = re.compile(r"Element:\s*(?P<element>[^\s>]+)")
_ERROR_LINE = re.compile(r"^\s*-\s*ERROR:\s*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to deploy that need not be a file.

    Attributes:
        name: with the extension .bpmn, .dmn or .form, by which the engine knows what it is.
        content: the bytes, for text in UTF-8.
    """

    name: str
    content: bytes


def collect(sources: Iterable[Path | str | Resource]) -> list[Resource]:
    """Read and check what is to be deployed; blocking.

    A folder means every .bpmn, .dmn and .form file in it and below, hidden ones left out. A resource is named by its file's name alone,
    as Camunda Modeler names it: the engine takes a changed name for a changed resource.

    Args:
        sources: files, folders and resources.

    Raises:
        BadResource: there is nothing to deploy, two have one name, or one must not be sent.
    """
    resources: list[Resource] = []
    origins: dict[str, str] = {}
    for source in sources:
        for resource, origin in [(source, source.name)] if isinstance(source, Resource) else _files(Path(source)):
            if resource.name in origins:
                if origins[resource.name] == origin:
                    continue
                raise BadResource(
                    origin, f"has the same name as {origins[resource.name]}: rename one, for the engine tells resources apart by name"
                )
            check(resource)
            origins[resource.name] = origin
            resources.append(resource)
    if not resources:
        raise BadResource("deployment", "nothing to deploy: name at least one .bpmn, .dmn or .form file, or a folder with some")
    return resources


def _files(source: Path) -> list[tuple[Resource, str]]:
    if source.is_dir():
        paths = sorted(_below(source))
        if not paths:
            raise BadResource(str(source), "this folder has no .bpmn, .dmn or .form file")
    elif source.is_file():
        paths = [source]
    else:
        raise BadResource(str(source), "no such file or folder; is the path right, and relative to the folder you are in?")
    try:
        return [(Resource(path.name, path.read_bytes()), str(path.resolve())) for path in paths]
    except OSError as error:
        raise BadResource(str(error.filename or source), f"cannot be read ({error.strerror})") from error


def _below(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(_KINDS):
                yield Path(place, name)


def check(resource: Resource) -> None:
    """Refuse what must not be sent.

    Raises:
        BadResource: a DOCTYPE, XML or JSON that is not well-formed, or something else than the file's extension says.
    """
    kind = Path(resource.name).suffix.lower()
    if kind == ".bpmn":
        _check_bpmn(resource.name, parse_xml(resource.name, resource.content))
    elif kind == ".dmn":
        root = parse_xml(resource.name, resource.content)
        name = etree.QName(root)
        if name.localname != "definitions" or not _DMN.fullmatch(name.namespace or ""):
            raise BadResource(resource.name, f"is not DMN: its root is {_shown(root)}; save it from Camunda Modeler as a DMN diagram")
    elif kind == ".form":
        _check_form(resource.name, resource.content)
    else:
        raise BadResource(resource.name, "cannot be deployed: the engine takes .bpmn, .dmn and .form files")


def parse_xml(name: str, content: bytes) -> etree._Element:  # pyright: ignore[reportPrivateUsage]
    """Parse XML that may be hostile: no DOCTYPE (so no entities), no network, no endless nesting.

    Raises:
        BadResource: it has a DOCTYPE, is nested too deep or is not well-formed.
    """
    if not content.strip():
        raise BadResource(name, "the file is empty")
    _scan(name, content)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False)
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _not_well_formed(name, str(error)) from error


def _scan(name: str, content: bytes) -> None:
    """Read once without building anything, and stop at the first thing that must not be there."""
    depth = 0

    def doctype(*_: object) -> None:
        raise BadResource(name, "has a DOCTYPE, which can pull in other files: remove the <!DOCTYPE …> line")

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise BadResource(name, f"is nested deeper than {_MAX_DEPTH} levels; no diagram is")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    scanner = expat.ParserCreate()
    scanner.StartDoctypeDeclHandler = doctype
    scanner.StartElementHandler = start
    scanner.EndElementHandler = end
    try:
        scanner.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _not_well_formed(name, str(error)) from error


def _not_well_formed(name: str, reason: str) -> BadResource:
    return BadResource(name, f"is not well-formed XML ({reason}): open it in Camunda Modeler and save it again")


def _check_bpmn(name: str, root: etree._Element) -> None:  # pyright: ignore[reportPrivateUsage]
    if root.tag != f"{{{BPMN}}}definitions":
        raise BadResource(name, f"is not BPMN: its root is {_shown(root)}; save it from Camunda Modeler as a BPMN diagram")
    processes = root.findall(f"{{{BPMN}}}process")
    if any(process.get("isExecutable") == "true" for process in processes):
        return
    if _CAMUNDA_7 in root.nsmap.values():
        raise BadResource(name, "is a diagram for Camunda 7: convert it, for example with Camunda's diagram converter")
    ids = ", ".join(f"'{process.get('id')}'" for process in processes) or "none"
    raise BadResource(
        name, f"has no executable process (found: {ids}): tick 'Executable' in Camunda Modeler, which sets isExecutable=\"true\""
    )


def _check_form(name: str, content: bytes) -> None:
    try:
        form: Any = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadResource(name, f"is not JSON: {error}; open it in Camunda Modeler and save it again") from error
    if not isinstance(form, dict):
        raise BadResource(name, "is not a form: a form is a JSON object with 'id', 'type' and 'components'")
    fields = cast("dict[str, Any]", form)
    if not isinstance(fields.get("id"), str) or not fields["id"].strip():
        raise BadResource(name, "has no 'id': user tasks name a form by its id; give it one in Camunda Modeler's properties panel")
    if not isinstance(fields.get("components"), list):
        raise BadResource(name, "has no list 'components': it is not a form-js form; draw it in Camunda Modeler as a form for Camunda 8")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _shown(root: etree._Element) -> str:  # pyright: ignore[reportPrivateUsage]
    name = etree.QName(root)
    return f"<{name.localname}> in '{name.namespace or 'no namespace'}'"


def rejection(text: str, resources: Sequence[Resource]) -> BadResource:
    """What the engine said about a deployment it refused, naming file and element where its text does.

    Args:
        text: the engine's words.
        resources: what was sent.
    """
    names = [resource.name for resource in resources]
    found = [match for match in _REJECTED_FILE.finditer(text) if match["name"] in names]
    if not found:
        name = next((name for name in names if name in text), names[0] if len(names) == 1 else "deployment")
        return BadResource(name, f"the engine refused it: {text}")
    first, others = found[0], found[1:]
    own = text[first.end() : others[0].start() if others else len(text)].strip()
    elements = _REJECTED_ELEMENT.findall(own)
    element = elements[0] if len(elements) == 1 else None
    if element is not None:
        # The error says the element itself; of the engine's words only what is wrong remains.
        own = _ERROR_LINE.sub("", own.partition("\n")[2]).strip()
    elif not elements:
        element = element_at_fault(own, _root(next(resource for resource in resources if resource.name == first["name"])))
    rest = f"\n{text[others[0].start() :].strip()}" if others else ""
    return BadResource(first["name"], f"the engine refused it: {with_advice(own)}{rest}", element=element)


def _root(resource: Resource) -> etree._Element | None:  # pyright: ignore[reportPrivateUsage]
    try:
        return parse_xml(resource.name, resource.content)
    except BadResource:
        return None
