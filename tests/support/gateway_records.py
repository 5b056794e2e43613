"""What engines wrote while the same calls were made on them, in a form that can be compared: events in their order, keys by their number.

Sequences are kept apart by kind of record and process instance: how those of different instances interleave is nobody's promise.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Event = tuple[str, str, int]
"""Intent, what it is about, and which key in the order in which keys of its sequence appear."""
Sequences = dict[str, dict[int, list[Event]]]
"""By value type, then by the number of the process instance in the order of starting; 0 for what belongs to none."""

TRAILING = "trailing"
"""A variable that only calls have which one side takes and the other refuses: what follows from them is left out."""

_ABOUT = {
    "INCIDENT": "errorType",  # 8.8 shows the element, 8.6 where its code was thrown
    "JOB": "type",
    "JOB_BATCH": "type",
    "MESSAGE": "name",
    "VARIABLE": "name",
    "SIGNAL": "signalName",
}


def sequences(lines: Iterable[str | bytes]) -> Sequences:
    """Return the sequences of the events among these records.

    Args:
        lines: all of an engine's records, in the order of their positions.
    """
    events = [record for record in map(json.loads, lines) if record["recordType"] == "EVENT"]
    left_out = _instances_with(events, TRAILING)
    numbers: dict[int, int] = {}
    keys: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    found: Sequences = defaultdict(lambda: defaultdict(list))
    for record in events:
        kind, value = record["valueType"], record["value"]
        instance = value.get("processInstanceKey", -1)
        if instance in left_out or value.get("name") == TRAILING or TRAILING in (value.get("variables") or {}):
            continue
        number = 0 if instance in (-1, 0) else numbers.setdefault(instance, len(numbers) + 1)
        seen = keys[kind, number]
        key = seen.setdefault(record["key"], len(seen))
        about = value.get(_ABOUT.get(kind, "elementId")) or value.get("bpmnProcessId") or ""
        found[kind][number].append((record["intent"], str(about), key))
    return found


def _instances_with(events: Iterable[Mapping[str, Any]], variable: str) -> set[int]:
    """Process instances that were started with a variable."""
    return {
        event["value"]["processInstanceKey"]
        for event in events
        if event["valueType"] == "PROCESS_INSTANCE_CREATION" and variable in event["value"]["variables"]
    }


def differences(ours: Sequences, theirs: Sequences, kind: str) -> list[str]:
    """Say where the sequences of a kind differ."""
    said: list[str] = []
    for number in sorted(set(ours[kind]) | set(theirs[kind])):
        mine, other = ours[kind].get(number, []), theirs[kind].get(number, [])
        if mine != other:
            first = next((at for at, (one, two) in enumerate(zip(mine, other, strict=False)) if one != two), min(len(mine), len(other)))
            said.append(
                f"{kind} of instance {number}, event {first}: ours {mine[first : first + 3]} ({len(mine)}), "
                f"theirs {other[first : first + 3]} ({len(other)})"
            )
    return said
