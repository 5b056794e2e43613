"""OCEL 2.0: object-centric event logs, as JSON and as SQLite (https://www.ocel-standard.org/2.0/ocel20_specification.pdf)."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from camunda_workers.events.export.mining import Happening, Thing, Value

_TYPES: Final[dict[type, str]] = {str: "string", int: "integer", float: "float"}
_SQL_TYPES: Final = {"string": "TEXT", "integer": "INTEGER", "float": "REAL"}


def to_ocel(events: Sequence[Happening], things: Sequence[Thing]) -> dict[str, Any]:
    """The log as OCEL 2.0 JSON; values are texts, as its schema asks, their types stand with the event and object types."""
    known = {thing.id for thing in things}
    return {
        "objectTypes": [{"name": name, "attributes": _declared(attributes)} for name, attributes in _attributes(things).items()],
        "eventTypes": [{"name": name, "attributes": _declared(attributes)} for name, attributes in _attributes(events).items()],
        "objects": [
            {
                "id": thing.id,
                "type": thing.type,
                "attributes": [{"name": name, "time": _iso(thing.since), "value": str(value)} for name, value in thing.attributes.items()],
                "relationships": [{"objectId": to, "qualifier": qualifier} for to, qualifier in thing.related if to in known],
            }
            for thing in things
        ],
        "events": [
            {
                "id": event.id,
                "type": event.type,
                "time": _iso(event.time),
                "attributes": [{"name": name, "value": str(value)} for name, value in event.attributes.items()],
                "relationships": [{"objectId": to, "qualifier": qualifier} for to, qualifier in event.things.items()],
            }
            for event in events
        ],
    }


def write_ocel_json(events: Sequence[Happening], things: Sequence[Thing], path: Path) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(to_ocel(events, things), ensure_ascii=False, indent=1))


def write_ocel_sqlite(events: Sequence[Happening], things: Sequence[Thing], path: Path) -> None:
    """Write it as SQLite: a table for each event and object type, and tables for what relates them. A file that is there is replaced."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as connection:
        for table in ("event", "object"):
            connection.execute(f"CREATE TABLE {table} (ocel_id TEXT PRIMARY KEY, ocel_type TEXT)")
            connection.execute(f"CREATE TABLE {table}_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT)")
        connection.execute(
            "CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT, "
            "PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier))"
        )
        connection.execute(
            "CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT, "
            "PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier))"
        )
        _typed(connection, "object", things, [(thing.type, thing.id, thing.since, thing.attributes) for thing in things])
        _typed(connection, "event", events, [(event.type, event.id, event.time, event.attributes) for event in events])
        connection.executemany(
            "INSERT INTO event_object VALUES (?, ?, ?)", [(event.id, to, role) for event in events for to, role in event.things.items()]
        )
        known = {thing.id for thing in things}
        connection.executemany(
            "INSERT INTO object_object VALUES (?, ?, ?)",
            [(thing.id, to, role) for thing in things for to, role in thing.related if to in known],
        )
        connection.commit()
    part.replace(path)


def _typed(
    connection: sqlite3.Connection,
    kind: str,
    found: Sequence[Happening] | Sequence[Thing],
    rows: Iterable[tuple[str, str, datetime, Mapping[str, Value]]],
) -> None:
    taken: set[str] = set()
    tables: dict[str, tuple[str, list[str]]] = {}
    for name, attributes in _attributes(found).items():
        short = _short(name, taken)
        columns = "".join(f', "{attribute}" {_SQL_TYPES[what]}' for attribute, what in attributes.items())
        changed = ", ocel_changed_field TEXT" if kind == "object" else ""
        connection.execute(f'CREATE TABLE "{kind}_{short}" (ocel_id TEXT, ocel_time TIMESTAMP{changed}{columns})')
        connection.execute(f"INSERT INTO {kind}_map_type VALUES (?, ?)", (name, short))
        tables[name] = (f"{kind}_{short}", list(attributes))
    for name, identifier, time, attributes in rows:
        table, columns = tables[name]
        connection.execute(f"INSERT INTO {kind} VALUES (?, ?)", (identifier, name))
        names = ", ".join(["ocel_id", "ocel_time", *(f'"{column}"' for column in columns)])
        values = (identifier, _iso(time), *(attributes.get(column) for column in columns))
        connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(values))})', values)


def _short(name: str, taken: set[str]) -> str:
    """A type's name as a part of a table's name: letters and digits, and no other's."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    short = base = "".join(word[:1].upper() + word[1:] for word in words) or "Type"
    number = 2
    while short.casefold() in taken:
        short, number = f"{base}{number}", number + 1
    taken.add(short.casefold())
    return short


def _attributes(found: Iterable[Happening | Thing]) -> dict[str, dict[str, str]]:
    """By type, the attributes that any of it has; one that is sometimes a text is a text."""
    declared: dict[str, dict[str, str]] = {}
    for one in found:
        attributes = declared.setdefault(one.type, {})
        for name, value in one.attributes.items():
            what = _TYPES[type(value)]
            attributes[name] = what if attributes.get(name, what) == what else "string"
    return declared


def _declared(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": what} for name, what in attributes.items()]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
