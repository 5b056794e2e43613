"""Searches page by page, on a connection of either database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from camunda_workers.events.search import Entity, search

Sort = Sequence[Mapping[str, Any]]


def by_offset(connection: Connection, entity: Entity, sort: Sort, size: int, filter: Mapping[str, Any] | None = None) -> list[str]:
    """The keys of everything, in pages by ``from``."""
    found: list[str] = []
    while items := search(connection, entity, filter, sort, {"from": len(found), "limit": size})["items"]:
        found += [item[entity.key_field] for item in items]
    return found


def by_cursor(
    connection: Connection, entity: Entity, sort: Sort, size: int, filter: Mapping[str, Any] | None = None
) -> tuple[list[str], list[str]]:
    """The keys of everything by ``after``, and then back to the start by ``before``."""
    forwards: list[str] = []
    backwards: list[str] = []
    page: dict[str, Any] = {"limit": size}
    last: dict[str, Any] = {}
    while (found := search(connection, entity, filter, sort, page))["items"]:
        forwards += [item[entity.key_field] for item in found["items"]]
        page, last = {"limit": size, "after": found["page"]["endCursor"]}, found
    while last and (items := last["items"]):
        backwards = [*(item[entity.key_field] for item in items), *backwards]
        last = search(connection, entity, filter, sort, {"limit": size, "before": last["page"]["startCursor"]})
    return forwards, backwards
