"""How processes run: which there are, and one of them with its heat map, live tokens and incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.errors import NotFound
from camunda_workers.events.bpmn import read_diagram
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.inbox.addresses import number_in
from camunda_workers.inbox.numbers import Definition, Heat, Numbers, definitions, numbers, shades
from camunda_workers.inbox.pages.cases import open_incidents
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.inbox.views.times import brief

DAYS: Final = (1, 7, 30, 365)
USUAL: Final = 30
HEATS: Final[tuple[Heat, ...]] = ("often", "long")


async def processes(request: Request) -> Response:
    """Every process, with what runs of it."""
    site = site_of(request)
    reader = site.reader(request)
    if not site.is_operator(reader.person):
        raise NotFound("operators only")
    return site.render(request, "processes.html", definitions=await _definitions(site, reader))


async def process(request: Request) -> Response:
    """A version of a process."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    one, all_of_it = await _known(site, reader, key)
    heat, days = _asked(request)
    found = await _numbers(site, key, days)
    resource = (await site.parts.log.process_definitions([key]))[-1].value
    content = resource_of(resource)
    xml = content.decode("utf-8")
    names = {name: element.name or name for name, element in read_diagram(content, one.process_id).elements.items()}
    rows = sorted((row for row in found if row.type != "PROCESS"), key=lambda row: -row.heat(heat))
    values: dict[str, Any] = {
        "definition": one,
        "versions": all_of_it,
        "heat": heat,
        "days": days,
        "choices": DAYS,
        "rows": rows,
        "names": names,
        "shades": shades(found, heat),
        "diagram": {"xml": xml, **_shown(site, reader, found, heat), "flows": [], "here": ""},
        "incidents": await open_incidents(site, reader, definition=key),
        "notice": None,
    }
    return site.render(request, "process.html", **values)


async def now(request: Request) -> Response:
    """The numbers again, for a page that is looked at while things happen."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        await _known(site, reader, key)
    except NotFound:
        return JSONResponse({"text": reader.say("refused.gone")}, 404)
    heat, days = _asked(request)
    return JSONResponse({**_shown(site, reader, await _numbers(site, key, days), heat), "flows": []})


def _shown(site: Site, reader: Reader, found: Sequence[Numbers], heat: Heat) -> dict[str, Any]:
    """What the diagram shows of each element."""
    colour = shades(found, heat)
    elements = {
        one.element_id: {
            "active": one.waiting,
            "completed": one.done,
            "incidents": one.broken,
            "heat": colour.get(one.element_id, 0),
            "label": _label(reader, one, heat),
        }
        for one in found
        if one.type != "PROCESS"
    }
    return {"elements": elements, "heat": True}


def _label(reader: Reader, one: Numbers, heat: Heat) -> str:
    if heat == "often":
        return f"{one.done}×" if one.done else ""
    # What takes no time needs no label: the diagram shows what does.
    return brief(one.usual, reader.say) if one.usual is not None and one.usual >= timedelta(seconds=1) else ""


async def _definitions(site: Site, reader: Reader) -> list[Definition]:
    tenants = sorted(reader.person.tenants) if reader.person.tenants is not None else None
    model = await site.parts.model()
    key = ("definitions", tuple(tenants) if tenants is not None else None)
    return cast("list[Definition]", await site.kept.get(key, lambda: model.query(lambda connection: definitions(connection, tenants))))


async def _known(site: Site, reader: Reader, key: int) -> tuple[Definition, list[Definition]]:
    """A version and all versions of its process, for somebody who may see how it runs.

    Raises:
        NotFound: there is none, or nobody may know that there is.
    """
    found = await _definitions(site, reader) if site.is_operator(reader.person) else []
    one = next((each for each in found if each.key == key), None)
    if one is None:
        raise NotFound(f"there is no process {key}")
    return one, [each for each in found if (each.process_id, each.tenant) == (one.process_id, one.tenant)]


async def _numbers(site: Site, key: int, days: int) -> list[Numbers]:
    since = site.parts.clock.now() - timedelta(days=days)
    model = await site.parts.model()
    return cast(
        "list[Numbers]",
        await site.kept.get(("numbers", key, days), lambda: model.query(lambda connection: numbers(connection, key, since))),
    )


def _asked(request: Request) -> tuple[Heat, int]:
    heat, days = request.query_params.get("heat"), request.query_params.get("days", "")
    return (heat if heat in HEATS else "often"), (asked if (asked := number_in(days)) in DAYS else USUAL)
