"""XES (IEEE 1849): one trace for each case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lxml import etree

from camunda_workers.events.export.mining import Happening

_NAMESPACE: Final = "http://www.xes-standard.org/"
_SPACES: Final[Any] = {None: _NAMESPACE}
_EXTENSIONS: Final = (
    ("Concept", "concept", "http://www.xes-standard.org/concept.xesext"),
    ("Time", "time", "http://www.xes-standard.org/time.xesext"),
    ("Lifecycle", "lifecycle", "http://www.xes-standard.org/lifecycle.xesext"),
    ("Organizational", "org", "http://www.xes-standard.org/org.xesext"),
)
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xes(events: Sequence[Happening], path: Path) -> int:
    """Write a log.

    Args:
        events: in the order of time.
        path: replaced when it is there.

    Returns:
        How many traces it has.
    """
    traces: dict[str, list[Happening]] = {}
    for event in events:
        traces.setdefault(event.case, []).append(event)
    part = path.with_name(path.name + ".part")
    with etree.xmlfile(str(part), encoding="utf-8") as file:
        file.write_declaration()
        with file.element(f"{{{_NAMESPACE}}}log", {"xes.version": "1849-2016", "xes.features": ""}, nsmap=_SPACES):
            for name, prefix, uri in _EXTENSIONS:
                file.write(_element("extension", {"name": name, "prefix": prefix, "uri": uri}))
            for scope, names in (("trace", ("concept:name",)), ("event", ("concept:name", "time:timestamp", "lifecycle:transition"))):
                under = _element("global", {"scope": scope})
                for name in names:
                    under.append(_date(name, datetime(1970, 1, 1, tzinfo=UTC)) if name.startswith("time") else _string(name, "__INVALID__"))
                file.write(under)
            file.write(_element("classifier", {"name": "Activity", "keys": "concept:name"}))
            file.write(_string("concept:name", "camunda-workers"))
            for case, happened in traces.items():
                trace = _element("trace", {})
                trace.append(_string("concept:name", case))
                trace.extend(_event(one) for one in happened)
                file.write(trace)
    part.replace(path)
    return len(traces)


def _event(one: Happening) -> Any:
    event = _element("event", {})
    event.append(_string("concept:name", one.type))
    event.append(_date("time:timestamp", one.time))
    event.append(_string("lifecycle:transition", one.lifecycle))
    if one.who:
        event.append(_string("org:resource", one.who))
    for name, value in one.attributes.items():
        if isinstance(value, str):
            event.append(_string(name, value))
        else:
            event.append(_element("int" if isinstance(value, int) else "float", {"key": name, "value": str(value)}))
    return event


def _element(name: str, attributes: dict[str, str]) -> Any:
    return etree.Element(f"{{{_NAMESPACE}}}{name}", attributes, nsmap=_SPACES)


def _string(key: str, value: str) -> Any:
    return _element("string", {"key": key, "value": _NOT_XML.sub("\ufffd", value)})


def _date(key: str, moment: datetime) -> Any:
    return _element("date", {"key": key, "value": moment.astimezone(UTC).isoformat(timespec="milliseconds")})
