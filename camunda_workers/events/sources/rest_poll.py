"""A cluster where no exporter can be added (SaaS): its REST API v2 is asked what there is, and records are made of the answers.

What a search shows is a state, not what led to it. So the records made here are fewer and poorer than the engine's own; `CANNOT_SEE` lists what
is missing. Each has a name of its own in the log, so that asking twice, or again after a crash, adds nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import httpx
from sqlalchemy import Connection, select

from camunda_workers.client.auth import HttpAuth, authorization_from
from camunda_workers.client.tls import http_context
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import EngineFailure, EngineUnavailable, NotFound, Unauthenticated
from camunda_workers.events.bulk import insert_rows
from camunda_workers.events.chain.tree import Tree
from camunda_workers.events.log import EventLog
from camunda_workers.events.schema import fact_ids
from camunda_workers.events.sources.rest_records import CHANGING, KINDS, NOTHING, PARTITION, Made, instance_records
from camunda_workers.events.writing import Written, append_facts
from camunda_workers.settings import ConnectionSettings

Call = Callable[[str, str, "Mapping[str, Any] | None"], Awaitable[Any]]
"""Method, path below ``/v2``, body; answers JSON or text."""

CANNOT_SEE: Final = (
    "what was wished for and refused (commands and rejections)",
    "values that a variable had between two polls, and assignees that a user task had between two polls",
    "who asked for something (the engine's authorizations), except a task's assignee",
    "jobs, on clusters older than 8.8: no retries, failures or workers",
    "timers, message subscriptions and correlations, signals, escalations, compensations",
    "listeners' denials and corrections",
    "the order of what happened in the same millisecond, and positions: those in the log are our own",
    "whatever the cluster's own retention has removed before it was polled",
)
"""What a log that was polled does not have."""

OVERLAP: Final = timedelta(minutes=5)
"""How far back each poll looks: searches are behind the engine, and clocks differ."""
_PAGE: Final = 200
_WHOLE: Final = {"variables": "?truncateValues=false"}


@asynccontextmanager
async def rest_caller(settings: ConnectionSettings) -> AsyncGenerator[Call]:
    """A way to call the cluster that the settings name, with its credentials."""
    authorization = authorization_from(settings)
    auth = HttpAuth(authorization) if authorization is not None else None
    async with httpx.AsyncClient(
        base_url=f"{settings.rest_address}/v2", auth=auth, timeout=30, verify=http_context(settings), follow_redirects=False
    ) as http:

        async def call(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
            try:
                response = await http.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise EngineUnavailable(
                    f"{method} {path}: {settings.rest_address} does not answer: {error or type(error).__name__}"
                ) from error
            if response.status_code == 404:
                raise NotFound(f"{method} {path}: {response.text[:200]}")
            if response.status_code in (401, 403):
                raise Unauthenticated(f"{method} {path}: {settings.rest_address} answers {response.status_code}: check the credentials")
            if response.status_code >= 300:
                raise EngineFailure(f"{method} {path}: {settings.rest_address} answers {response.status_code}: {response.text[:200]}")
            return response.text if path.endswith("/xml") else response.json()

        yield call


class RestPoll:
    """Asks a cluster what there is and writes what is new into a log of its own.

    Args:
        call: makes a REST call; `camunda_workers.client.Client`'s, for instance.
        log: only for this: its positions are made here.
    """

    def __init__(self, call: Call, log: EventLog, *, clock: Clock | None = None) -> None:
        self._call = call
        self._log = log
        self._clock = clock or SystemClock()
        self._since: datetime | None = None
        self._open: dict[str, None] = {}
        self._last: dict[str, tuple[str, int]] | None = None

    async def catch_up(self) -> int:
        """Poll once.

        Returns:
            How many records were added.

        Raises:
            EngineError: as the cluster or the way to it says.
        """
        now = self._clock.now()
        made: list[Made] = []
        changed = self._since - OVERLAP if self._since is not None else None
        instances = await self._changed("process-instances", "startDate", "endDate", changed)
        keys = {str(one["processInstanceKey"]) for one in instances} | set(self._open)
        made += await self._definitions({str(one["processDefinitionKey"]) for one in instances})
        for one in instances:
            made += instance_records(one)
        some = sorted(keys)
        for start in range(0, len(some), 50):
            asked = {"processInstanceKey": {"$in": some[start : start + 50]}}
            for path, make in KINDS.items():
                for one in await self._search(path, asked):
                    made += make(one, now)
        self._open = {str(one["processInstanceKey"]): None for one in await self._search("process-instances", {"state": "ACTIVE"})}
        added = await self._add(made)
        self._since = now
        return added

    async def _changed(self, path: str, start: str, end: str, since: datetime | None) -> list[dict[str, Any]]:
        if since is None:
            return await self._search(path, {})
        moment = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        found: dict[str, dict[str, Any]] = {}
        for field in (start, end):
            found |= {str(one["processInstanceKey"]): one for one in await self._search(path, {field: {"$gte": moment}})}
        return list(found.values())

    async def _search(self, path: str, filter: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            body = {"filter": dict(filter), "page": {"from": len(found), "limit": _PAGE}}
            try:
                items = cast("list[dict[str, Any]]", (await self._call("POST", f"/{path}/search{_WHOLE.get(path, '')}", body))["items"])
            except NotFound:  # an older cluster has no such search
                return found
            found += items
            if len(items) < _PAGE:
                return found

    async def _definitions(self, keys: Iterable[str]) -> list[Made]:
        import base64

        names = {f"rest:PROCESS:{key}": key for key in keys}
        known = await self._log.database.read(
            lambda connection: set(connection.scalars(select(fact_ids.c.id).where(fact_ids.c.id.in_(list(names)))))
        )
        made: list[Made] = []
        for name, key in names.items():
            if name in known:
                continue
            definition = await self._call("GET", f"/process-definitions/{key}", None)
            xml = await self._call("GET", f"/process-definitions/{key}/xml", None)
            value = {
                "bpmnProcessId": definition["processDefinitionId"],
                "version": definition.get("version"),
                "processDefinitionKey": int(key),
                "resourceName": definition.get("resourceName") or "",
                "tenantId": definition.get("tenantId"),
                "resource": base64.b64encode(str(xml).encode()).decode(),
            }
            made.append(Made(name, 0, int(key), "PROCESS", "CREATED", value))
        return made

    async def _changes(self, made: list[Made]) -> tuple[list[Made], dict[str, tuple[str, int]]]:
        """Leave out what is still as it was seen last, and number what is not."""
        if self._last is None:
            query = select(fact_ids.c.id).where(fact_ids.c.id.like(f"rest:%{CHANGING}%")).order_by(fact_ids.c.position)
            self._last = {}
            for name in await self._log.database.read(lambda connection: list(connection.scalars(query))):
                subject, _, digest = name.partition(CHANGING)
                subject, _, number = subject.rpartition(":")
                self._last[subject] = (digest, int(number))
        last, kept = dict(self._last), list[Made]()
        for one in made:
            subject, changing, digest = one.name.partition(CHANGING)
            if changing:
                known = last.get(subject)
                if digest == (known[0] if known is not None else NOTHING):
                    continue
                last[subject] = (digest, known[1] + 1 if known is not None else 0)
                one = replace(one, name=f"{subject}:{last[subject][1]}{CHANGING}{digest}")
            kept.append(one)
        return kept, last

    async def _add(self, made: list[Made]) -> int:
        made, last = await self._changes(made)
        made.sort(key=lambda one: one.at)

        def work(connection: Connection, tree: Tree | None) -> Written:
            new: dict[str, Made] = {}
            for start in range(0, len(made), 500):
                some = made[start : start + 500]
                known = set(connection.scalars(select(fact_ids.c.id).where(fact_ids.c.id.in_([one.name for one in some]))))
                new |= {one.name: one for one in some if one.name not in known}

            def make(first: int) -> list[str]:
                rows = [(name, position) for position, name in enumerate(new, first)]
                insert_rows(connection, fact_ids.name, ("id", "position"), rows)
                return [one.to_json(position) for position, one in enumerate(new.values(), first)]

            return append_facts(connection, make, PARTITION, tree)

        added = await self._log.grow(work)
        self._last = last
        return added
