"""Records of engines newer than this package: value types, intents, elements and fields that nobody here has heard of are kept, and stop nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.projections import PROJECTIONS
from tests.support.recorded import recorded

LINES = recorded("paid")
KINDS = sorted({json.loads(line)["valueType"] for line in LINES} | {kind for projection in PROJECTIONS for kind in projection.folds})
NEW = "NOBODY_HAS_HEARD_OF_IT"


def newer(line: bytes, position: int, value: dict[str, Any] | None = None, **fields: Any) -> bytes:
    record: dict[str, Any] = json.loads(line)
    record |= {"position": position, "brokerVersion": "8.99.0", "newInTheEnvelope": {"x": 1}, **fields}
    record["value"] |= {"newField": [{"deep": None}]} | (value or {})
    return json.dumps(record).encode()


def one_of(kind: str) -> bytes:
    return next((line for line in LINES if json.loads(line)["valueType"] == kind), LINES[-1])


async def test_new_value_types_and_intents_are_kept_and_stop_nothing() -> None:
    end = max(json.loads(line)["position"] for line in LINES)
    unknown = [newer(one_of(kind), end + 1 + number, valueType=kind, intent=NEW) for number, kind in enumerate(KINDS)]
    end += len(unknown)
    unknown += [
        newer(LINES[-1], end + 1 + number, valueType=NEW, intent=intent, recordType=record_type)
        for number, (intent, record_type) in enumerate([("CREATED", "EVENT"), (NEW, "COMMAND"), (NEW, "COMMAND_REJECTION"), (NEW, NEW)])
    ]
    async with EventLog.open() as log:
        model = ReadModel(log)
        await log.append(LINES)
        before = await everything(model)
        await log.append(unknown)
        assert await everything(model) == before
        kept = [record async for record in log.records() if record.position > end - len(KINDS)]
        assert {record.value_type for record in kept} == {*KINDS, NEW}
        assert all(record.value["newField"] == [{"deep": None}] for record in kept)
        await model.rebuild()
        assert await everything(model) == before


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("PROCESS_INSTANCE", {"bpmnElementType": NEW, "bpmnEventType": NEW}),
        ("JOB", {"jobKind": NEW, "jobListenerEventType": NEW}),
        ("INCIDENT", {"errorType": NEW}),
    ],
)
async def test_a_new_kind_of_a_known_thing_is_shown_as_it_is(kind: str, value: dict[str, Any]) -> None:
    lines = [line for line in recorded("paid", "incident") if json.loads(line)["valueType"] in (kind, "PROCESS_INSTANCE")]
    changed = [newer(line, json.loads(line)["position"], value=value) if json.loads(line)["valueType"] == kind else line for line in lines]
    async with EventLog.open() as log:
        model = ReadModel(log)
        await log.append(changed)
        found = await everything(model)
        assert NEW in json.dumps(found)


async def everything(model: ReadModel) -> dict[str, Any]:
    await model.catch_up()
    page = {"limit": 200}
    return {
        "instances": (await model.search_process_instances(page=page))["items"],
        "elements": (await model.search_element_instances(page=page))["items"],
        "tasks": (await model.search_user_tasks(page=page))["items"],
        "jobs": (await model.search_jobs(page=page))["items"],
        "incidents": (await model.search_incidents(page=page))["items"],
        "variables": (await model.search_variables(page=page))["items"],
    }
