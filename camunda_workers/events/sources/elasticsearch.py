"""History out of Elasticsearch or OpenSearch: the ``zeebe-record*`` indices that a broker's exporter has filled, as a record source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx

from camunda_workers.errors import ReadModelError

INDICES: Final = "zeebe-record*"
_MOST: Final = 10_000
"""What both allow in one answer, unless configured otherwise."""


class RecordIndices:
    """One partition's records in the indices of an exporter; feed a `Pump` with it. It goes on behind the log's highest position.

    Args:
        address: of Elasticsearch or OpenSearch.
        partition: whose records.
        username: where it wants one.
        password: and its password.
        indices: which; the exporter's prefix may be another one.
    """

    def __init__(
        self, address: str, *, partition: int = 1, username: str | None = None, password: str | None = None, indices: str = INDICES
    ) -> None:
        auth = httpx.BasicAuth(username, password or "") if username is not None else None
        self._http = httpx.AsyncClient(base_url=address.rstrip("/"), auth=auth, timeout=60)
        self._partition = partition
        self._indices = indices

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
        return sorted(int(one["key"]) for one in answer["aggregations"]["partitions"]["buckets"])

    async def read(self, after: int, limit: int) -> Sequence[str]:
        """At most ``limit`` records whose position is greater than ``after``, ascending.

        Raises:
            ReadModelError: it does not answer, or not as it should.
        """
        answer = await self._search(
            {
                "size": min(limit, _MOST),
                "sort": [{"position": "asc"}],
                "query": {"bool": {"filter": [{"term": {"partitionId": self._partition}}, {"range": {"position": {"gt": after}}}]}},
                "track_total_hits": False,
            }
        )
        hits = cast("list[dict[str, Any]]", answer["hits"]["hits"])
        found: dict[int, str] = {}
        for hit in hits:
            record = cast("dict[str, Any]", hit["_source"])
            record.pop("sequence", None)  # the exporter's own counter, no part of the record
            found[int(record["position"])] = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        return list(found.values())  # the same record can be in two indices, when the day changed while the exporter tried again

    async def wait(self, after: int, timeout: float) -> bool:
        """Nothing tells of new records: look again."""
        del timeout
        return bool(await self.read(after, 1))

    async def _search(self, body: dict[str, Any]) -> Any:
        try:
            response = await self._http.post(f"/{self._indices}/_search", params={"ignore_unavailable": "true"}, json=body)
        except httpx.HTTPError as error:
            raise ReadModelError(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error
        if response.status_code != 200:
            raise ReadModelError(f"{self._http.base_url} answers {response.status_code} for {self._indices}: {response.text[:300]}")
        try:
            answer: Any = response.json()
            if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
                raise ReadModelError(
                    f"{self._http.base_url} did not search all of {self._indices}: a part would be missing from the log; try again"
                )
        except (ValueError, AttributeError) as error:
            raise ReadModelError(f"{self._http.base_url} answers something that is no search result") from error
        return answer
