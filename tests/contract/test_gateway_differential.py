"""The embedded gateway beside a real broker's: the same calls, good and bad, one after the other, the same answers and the same records."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.events import RecordSource
from camunda_workers.events.sources.sink import exporter_properties
from camunda_workers.testing.sink import Sink
from tests.support.gateway_calls import Outcome, make_all
from tests.support.gateway_records import Sequences, differences, sequences
from tests.support.gateway_script import script

pytestmark = [pytest.mark.engine, pytest.mark.broker]

CALLS = script()
VERSION = "8.6 says it otherwise than 8.8"
PARTITION = "the broker looks for another partition and asks to try again; there is no other one here, so nothing is worth trying"
KNOWN = {
    "topology": ("OK", "OK", "each says its own version"),
    "deploy a broken form": ("INVALID_ARGUMENT", "INVALID_ARGUMENT", VERSION),
    "start with trailing": ("INVALID_ARGUMENT", "OK", "what stands behind a JSON text is ignored there and refused here"),
    "start with three megabytes": ("INVALID_ARGUMENT", "UNKNOWN", "it can never work: the caller's fault, not worth trying again"),
    "start with more than the limit": ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "the words are those of grpc's library"),
    "set trailing": ("INVALID_ARGUMENT", "OK", "what stands behind a JSON text is ignored there and refused here"),
    "await too short": ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "the broker names its inner request and its address"),
    "modify to an event": ("INVALID_ARGUMENT", "INVALID_ARGUMENT", "8.8 lists more types of elements"),
    "decide nothing": ("NOT_FOUND", "INVALID_ARGUMENT", VERSION),
    "decide a failing one": ("OK", "OK", "8.8's engine says that the output is null, 8.6's leaves it out"),
    "decide an unknown id": ("NOT_FOUND", "INVALID_ARGUMENT", VERSION),
    "decide an unknown key": ("NOT_FOUND", "INVALID_ARGUMENT", VERSION),
    **{
        f"{do} {what}": ("NOT_FOUND", "UNAVAILABLE", PARTITION)
        for do in ("complete", "fail", "throw at", "refill", "extend", "resolve", "cancel", "delete")
        for what in ("none", "a negative one")
    },
    "set at none": ("NOT_FOUND", "UNAVAILABLE", PARTITION),
}
"""Calls that are answered differently: our code, the broker's (8.6.0), and why that is right."""


NEWER = {
    "ASYNC_REQUEST": "8.8 keeps who waits for a result in the log",
    **dict.fromkeys(("AUTHORIZATION", "IDENTITY_SETUP", "ROLE", "TENANT", "USER"), "8.8 sets up its users and roles when it starts"),
    "PROCESS_INSTANCE_BATCH": "steps within a cancellation; no exporter of 8.6 shows them",
    "USAGE_METRIC": "8.8 counts what was used",
}
"""Kinds of records that only 8.8 has, or shows."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of the calls on one side."""

    outcomes: dict[str, Outcome]
    records: Sequences


Both = tuple[Run, Run]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    async def ours() -> Run:
        async with EmbeddedEngine() as engine:
            outcomes = await make_all(engine.grpc_address, CALLS)
            return Run(outcomes, sequences(await _until_quiet(engine.records)))

    async def theirs(data: Path) -> Run:
        sink = Sink()
        try:
            async with BrokerEngine(data, properties=exporter_properties(sink.address)) as broker:
                outcomes = await make_all(broker.grpc_address, CALLS)
                return Run(outcomes, sequences(await _until_quiet(sink.store)))
        finally:
            sink.stop()

    return asyncio.run(ours()), asyncio.run(theirs(tmp_path_factory.mktemp("broker")))


async def _until_quiet(source: RecordSource) -> list[str | bytes]:
    """Every record, once none has come for as long as an exporter may keep some back."""
    lines: list[str | bytes] = []
    position = 0
    while True:
        more = await source.read(position, 10_000)
        if more:
            lines += more
            position = json.loads(more[-1])["position"]
        elif not await source.wait(position, 3.0):
            return lines


def test_there_are_enough_calls() -> None:
    assert len(CALLS) >= 150
    assert len({call.name for call in CALLS}) == len(CALLS)
    assert set(KNOWN) <= {call.name for call in CALLS}


def test_the_same_answers(both: Both) -> None:
    ours, theirs = both[0].outcomes, both[1].outcomes
    different = [
        f"{call.name}\n  ours:   {ours[call.name]}\n  theirs: {theirs[call.name]}"
        for call in CALLS
        if call.name not in KNOWN and ours[call.name] != theirs[call.name]
    ]
    assert not different, "\n".join(different)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_difference_is_still_one(both: Both, name: str) -> None:
    ours, theirs = both[0].outcomes, both[1].outcomes
    our_code, their_code, _ = KNOWN[name]
    assert (ours[name].code, theirs[name].code) == (our_code, their_code)
    assert ours[name] != theirs[name], "it is the same now: take it off the list"


def test_the_same_records(both: Both) -> None:
    ours, theirs = both[0].records, both[1].records
    assert set(ours) - set(NEWER) == set(theirs)
    assert {"PROCESS_INSTANCE", "JOB", "INCIDENT", "MESSAGE", "VARIABLE", "DEPLOYMENT", "DECISION_EVALUATION"} <= set(theirs)
    different = [difference for kind in sorted(theirs) for difference in differences(ours, theirs, kind)]
    assert not different, "\n".join(different)
