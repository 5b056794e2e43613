"""The embedded gateway beside a real broker's: the same calls, good and bad, one after the other, and the same answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.gateway_calls import Outcome, make_all
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


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    async def ours() -> dict[str, Outcome]:
        async with EmbeddedEngine() as engine:
            return await make_all(engine.grpc_address, CALLS)

    async def theirs(data: Path) -> dict[str, Outcome]:
        async with BrokerEngine(data) as broker:
            return await make_all(broker.grpc_address, CALLS)

    return asyncio.run(ours()), asyncio.run(theirs(tmp_path_factory.mktemp("broker")))


def test_there_are_enough_calls() -> None:
    assert len(CALLS) >= 150
    assert len({call.name for call in CALLS}) == len(CALLS)
    assert set(KNOWN) <= {call.name for call in CALLS}


def test_the_same_answers(both: tuple[dict[str, Outcome], dict[str, Outcome]]) -> None:
    ours, theirs = both
    different = [
        f"{call.name}\n  ours:   {ours[call.name]}\n  theirs: {theirs[call.name]}"
        for call in CALLS
        if call.name not in KNOWN and ours[call.name] != theirs[call.name]
    ]
    assert not different, "\n".join(different)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_difference_is_still_one(both: tuple[dict[str, Outcome], dict[str, Outcome]], name: str) -> None:
    ours, theirs = both
    our_code, their_code, _ = KNOWN[name]
    assert (ours[name].code, theirs[name].code) == (our_code, their_code)
    assert ours[name] != theirs[name], "it is the same now: take it off the list"
