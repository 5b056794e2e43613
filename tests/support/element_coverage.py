"""Which elements and flows of a diagram the tests passed through, printed at the end of the run; a pytest plugin that works under xdist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

_SEEN: pytest.StashKey[dict[str, set[str]]] = pytest.StashKey()
_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_NOT_ELEMENTS = {"process", "sequenceFlow", "incoming", "outgoing", "association", "textAnnotation", "extensionElements"}


def _seen(config: pytest.Config) -> dict[str, set[str]]:
    return config.stash.setdefault(_SEEN, {})


@pytest.fixture
def diagram_coverage(request: pytest.FixtureRequest) -> Any:
    """Return a function that notes the ids that a test passed through, by the diagram's path."""

    def note(diagram: Path, ids: set[str]) -> None:
        _seen(request.config).setdefault(str(diagram), set()).update(ids)

    return note


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker process saw to the process that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["diagram_coverage"] = json.dumps({path: sorted(ids) for path, ids in _seen(session.config).items()})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker process saw."""
    for path, ids in json.loads(getattr(node, "workeroutput", {}).get("diagram_coverage", "{}")).items():
        _seen(node.config).setdefault(path, set()).update(ids)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line per diagram, and what was missed."""
    for path, ids in sorted(_seen(config).items()):
        elements, flows = parts(Path(path))
        terminalreporter.section("diagram coverage")
        for what, known in (("elements", elements), ("sequence flows", flows)):
            missed = sorted(known - ids)
            line = f"{Path(path).name}: {len(known & ids)} of {len(known)} {what}"
            terminalreporter.line(line + (f"; not passed: {', '.join(missed)}" if missed else ""))


def parts(diagram: Path) -> tuple[set[str], set[str]]:
    """Return the ids of a diagram's flow elements and of its sequence flows (without those the engine never records as taken)."""
    root = etree.parse(str(diagram), etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
    process = root.find(f"{_BPMN}process")
    assert process is not None
    gateways = {str(element.get("id")) for element in process.iter(f"{_BPMN}eventBasedGateway")}
    elements: set[str] = set()
    flows: set[str] = set()
    for element in process.iter():
        if not isinstance(element.tag, str) or not element.tag.startswith(_BPMN) or element.get("id") is None:
            continue
        name = element.tag.removeprefix(_BPMN)
        if name == "sequenceFlow" and element.get("sourceRef") not in gateways:
            flows.add(str(element.get("id")))
        elif name not in _NOT_ELEMENTS and not name.endswith(("EventDefinition", "Characteristics")):
            elements.add(str(element.get("id")))
    return elements, flows
