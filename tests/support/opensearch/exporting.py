"""Puts the records of an engine that has no exporters (the embedded one) where Zeebe's exporter would put them: one index a kind and day.

The indices carry the version of the Tasklist that reads them; records of a later engine have more fields, which are kept and not searched.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from camunda_workers.events import EventLog
from camunda_workers.events.subscription import subscribe
from tests.support.opensearch import Indices

KINDS = ("process", "process-instance", "variable", "form", "user-task")
"""What Tasklist reads, but for jobs: 8.6 cannot read those of task listeners, and tries again for ever."""
VERSION = "8.6.0"
_MAPPING: dict[str, Any] = {
    "dynamic": False,
    "properties": {
        **{name: {"type": "long"} for name in ("position", "key", "sequence", "sourceRecordPosition")},
        **{name: {"type": "keyword"} for name in ("intent", "recordType", "valueType")},
        "partitionId": {"type": "integer"},
        "timestamp": {"type": "date"},
        "value": {"type": "object", "enabled": False},
    },
}


async def _lay_out(indices: Indices) -> None:
    for kind in KINDS:
        template: dict[str, Any] = {
            "settings": {"number_of_replicas": 0},
            "aliases": {f"{indices.prefix}-{kind}": {}},
            "mappings": _MAPPING,
        }
        await indices.call("PUT", f"/_index_template/{indices.prefix}-{kind}", json={
            "index_patterns": [f"{indices.prefix}_{kind}_*"], "priority": 20, "template": template,
        })  # fmt: skip
        await indices.call("PUT", f"/{indices.prefix}_{kind}_{VERSION}_2026-01-01")


async def _copy(log: EventLog, indices: Indices) -> None:
    numbers = Counter[str]()
    async with aclosing(subscribe(log, after=-1)) as records:
        async for one in records:
            raw = json.loads(one.record.text)
            kind = raw["valueType"].lower().replace("_", "-")
            if kind not in KINDS or raw["recordType"] != "EVENT":
                continue
            numbers[kind] += 1
            raw["sequence"] = (raw["partitionId"] << 51) + numbers[kind]
            name = f"{indices.prefix}_{kind}_{VERSION}_2026-01-01"
            await indices.call("PUT", f"/{name}/_doc/{raw['partitionId']}-{raw['position']}", json=raw)


@asynccontextmanager
async def exporting(log: EventLog, indices: Indices) -> AsyncGenerator[None]:
    """Copy the log, and what is added to it, until the end."""
    await _lay_out(indices)
    copying = asyncio.create_task(_copy(log, indices))
    try:
        yield
        if copying.done():
            copying.result()
    finally:
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)
