"""History out of Elasticsearch or OpenSearch: the ``zeebe-record*`` indices that a broker's exporter has filled, as a record source.

A search sees each index as it was at that index's last refresh, and an exporter's request is spread over many indices: a record can be visible
before one with a smaller position is. Whoever goes on behind the highest position that was seen would leave such records out for good. So what
may still be on its way is left for the next time (`RecordIndices.read`), and the numbers that the exporter gives the records of each kind are
followed: where one is missing, the import stops and says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx
from pydantic_core import from_json

from camunda_workers.errors import ReadModelError

INDICES: Final = "zeebe-record*"
_MOST: Final = 10_000
"""What both allow in one answer, unless configured otherwise."""
HELD: Final = 1000
"""How many records an exporter sends at once, unless configured otherwise (``bulk.size``); it sends no more before all of them are stored."""
QUIET: Final = 2.0
"""Seconds after which the request of an exporter is stored as a whole."""


class RecordIndices:
    """One partition's records in the indices of an exporter; feed a `Pump` with it. It goes on behind the log's highest position.

    Args:
        address: of Elasticsearch or OpenSearch.
        partition: whose records.
        username: where it wants one.
        password: and its password.
        indices: which; the exporter's prefix may be another one.
        gaps: take what there is, also where records in between are gone (indices that somebody removed).
        held: the exporter's ``bulk.size``.
        quiet: seconds to wait before the latest records are taken.
    """

    def __init__(
        self,
        address: str,
        *,
        partition: int = 1,
        username: str | None = None,
        password: str | None = None,
        indices: str = INDICES,
        gaps: bool = False,
        held: int = HELD,
        quiet: float = QUIET,
    ) -> None:
        auth = httpx.BasicAuth(username, password or "") if username is not None else None
        self._http = httpx.AsyncClient(base_url=address.rstrip("/"), auth=auth, timeout=60)
        self._partition = partition
        self._indices = indices
        self._gaps = gaps
        self._held = min(held, _MOST - 1)
        self._quiet = quiet
        self._settled = 0
        self._behind: int | None = None
        self._numbers: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def partitions(self) -> list[int]:
        """Which partitions there are records of.

        Raises:
            ReadModelError: it does not answer, or not as it should.
        """
        answer = await self._search({"size": 0, "aggs": {"partitions": {"terms": {"field": "partitionId", "size": 1000}}}})
        if "aggregations" not in answer:  # there is no such index
            return []
        return sorted(int(one["key"]) for one in answer["aggregations"]["partitions"]["buckets"])

    async def read(self, after: int, limit: int) -> Sequence[str]:
        """At most ``limit`` records whose position is greater than ``after``, ascending; only those before which no other can still come.

        Raises:
            ReadModelError: it does not answer, or not as it should, or records in between are missing.
        """
        if after >= self._settled and not await self._look(after):
            return []
        hits = await self._hits({"gt": after, "lte": self._settled}, "asc", size=min(limit, _MOST))
        found: dict[int, dict[str, Any]] = {int(hit["position"]): hit for hit in hits}
        # The same record can be in two indices, when the day changed while the exporter tried again.
        if not self._gaps:
            await self._follow_numbers(after, found.values())
        for record in found.values():
            record.pop("sequence", None)  # the exporter's own number, no part of the record
        self._behind = max(found, default=after)
        return [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for record in found.values()]

    async def wait(self, after: int, timeout: float) -> bool:
        """Nothing tells of new records: look again."""
        del timeout
        return after < self._settled or await self._look(after)

    async def _look(self, after: int) -> bool:
        """Find out up to which position everything is there; whether that is more than ``after``.

        An exporter sends its next request only when all of the one before is stored: everything but the latest request's records is complete.
        What was visible of that one is, too, a while later.
        """
        await self._refresh()
        hits = await self._hits({"gt": after}, "desc", size=self._held + 1, source=["position"])
        if not hits:
            return False
        if len(hits) <= self._held:
            await asyncio.sleep(self._quiet)
            await self._refresh()
        self._settled = int(hits[self._held if len(hits) > self._held else 0]["position"])
        return True

    async def _refresh(self) -> None:
        await self._call("POST", f"/{self._indices}/_refresh", refusable=True)

    async def _follow_numbers(self, after: int, records: Iterable[dict[str, Any]]) -> None:
        if self._behind != after:
            self._numbers = await self._numbers_until(after)
        for record in records:
            number, kind = int(record.get("sequence") or 0), str(record["valueType"])
            if not number:
                continue  # exporters before 8.3 gave none
            expected = self._numbers.get(kind, number - 1) + 1
            if number > expected:
                raise ReadModelError(
                    f"{number - expected} records of the kind {kind} are missing before position {record['position']} of partition "
                    f"{self._partition} in {self._indices}: an index was removed, or the exporter had not got through when it was read; "
                    "import into a new log, or take what there is (--gaps)"
                )
            self._numbers[kind] = number

    async def _numbers_until(self, position: int) -> dict[str, int]:
        """The last number of each kind up to a position."""
        if position <= 0:
            return {}
        newest = {"top_hits": {"size": 1, "sort": [{"position": "desc"}], "_source": ["sequence"]}}
        kinds = {"kinds": {"terms": {"field": "valueType", "size": 1000}, "aggs": {"newest": newest}}}
        answer = await self._search({"size": 0, "query": self._query({"lte": position}), "aggs": kinds})
        found = {str(one["key"]): one["newest"]["hits"]["hits"][0]["_source"] for one in answer["aggregations"]["kinds"]["buckets"]}
        return {kind: int(source["sequence"]) for kind, source in found.items() if source.get("sequence")}

    def _query(self, positions: dict[str, int]) -> dict[str, Any]:
        return {"bool": {"filter": [{"term": {"partitionId": self._partition}}, {"range": {"position": positions}}]}}

    async def _hits(self, positions: dict[str, int], order: str, *, size: int, source: list[str] | None = None) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"size": size, "sort": [{"position": order}], "query": self._query(positions), "track_total_hits": False}
        if source is not None:
            body["_source"] = source
        answer = await self._search(body)
        return [cast("dict[str, Any]", hit["_source"]) for hit in answer["hits"]["hits"]]

    async def _search(self, body: dict[str, Any]) -> Any:
        answer = await self._call("POST", f"/{self._indices}/_search", body)
        if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
            raise ReadModelError(
                f"{self._http.base_url} did not search all of {self._indices}: a part would be missing from the log; try again"
            )
        return answer

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None, *, refusable: bool = False) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, params={"ignore_unavailable": "true"}, json=body)
        except httpx.HTTPError as error:
            raise ReadModelError(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error
        if refusable and response.status_code in (401, 403):
            return {}  # who may only read does not refresh; both do it by themselves within a second
        if response.status_code != 200:
            raise ReadModelError(f"{self._http.base_url} answers {response.status_code} for {self._indices}: {response.text[:300]}")
        try:
            answer: Any = from_json(response.content)
        except ValueError as error:
            raise ReadModelError(f"{self._http.base_url} answers something that is no search result") from error
        if not isinstance(answer, dict):
            raise ReadModelError(f"{self._http.base_url} answers something that is no search result")
        return cast("dict[str, Any]", answer)
