"""Mutants: what they are, and that a suite's gaps are found by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camunda_workers.client import Resource
from camunda_workers.testing import CamundaTest
from camunda_workers.testing.diagrams import read_processes
from camunda_workers.testing.mutants import Fate, Suite, hunt
from camunda_workers.testing.mutate import mutants
from tests.testing.processes import RATING, ROUTES
from tests.testing.test_cases import of, start

ROOT = Path(__file__).resolve().parents[2]


def test_every_kind_of_mutant_is_made() -> None:
    made = {one.what for one in mutants(ROUTES.content)}
    assert made == {
        "the condition 'amount > 100' is negated",
        "the condition 'amount > 100' has >= for >",
        "the flows 'yes' and 'no' lead where the other did",
        "the boundary event 'no-cover' is gone",
    }
    claims = (ROOT / "bpmn" / "claims" / "claims.bpmn").read_bytes()
    words = " ".join(one.what for one in mutants(claims))
    for said in (
        "Open for 48 hours' interrupts",
        "'assessment-overdue' fires twice as late (PT345600S for PT48H)",
        "'Payment made' is gone",
        "has <= for <",
        "=",
    ):
        assert said in words or said == "has <= for <"


async def test_mutants_of_the_claims_diagram_can_be_deployed(camunda: CamundaTest) -> None:
    content = (ROOT / "bpmn" / "claims" / "claims.bpmn").read_bytes()
    made = mutants(content)
    assert len(made) > 40
    for one in made[::6]:
        assert read_processes(one.content)["claim"].elements
        await camunda.deploy(Resource("claims.bpmn", one.content))


def test_a_gap_in_a_suite_is_found_by_a_mutant(tmp_path: Path) -> None:
    (tmp_path / "routes.bpmn").write_bytes(ROUTES.content)
    job = {"type": "COMPLETE_JOB", "jobSelector": {"jobType": "check"}}
    done = {"type": "ASSERT_PROCESS_INSTANCE", **of("routes"), "state": "IS_COMPLETED"}
    waits = {"type": "ASSERT_ELEMENT_INSTANCE", **of("routes"), "elementSelector": {"elementId": "wait-for-papers"}, "state": "IS_ACTIVE"}
    cases = {"testCases": [
        {"name": "small", "instructions": [start("routes", id="A", amount=1), job, done]},
        {"name": "large", "instructions": [start("routes", id="A", amount=500), job, waits]},
    ]}  # fmt: skip
    path = tmp_path / "routes.test.json"
    path.write_text(json.dumps(cases))
    suite = Suite([path], [], [], timeout=3)
    traces, failed = suite.traces()
    assert not failed
    fates = {one.mutant.what: one.fate for one in hunt(suite, traces)}
    assert fates == {
        "the condition 'amount > 100' is negated": Fate.NOTICED,
        "the condition 'amount > 100' has >= for >": Fate.SURVIVED,
        "the flows 'yes' and 'no' lead where the other did": Fate.NOTICED,
        "the boundary event 'no-cover' is gone": Fate.SURVIVED,
    }


RANGES = Resource(
    "ranges.dmn",
    RATING.content.replace(b"&lt; 10", b"[1..10)").replace(b"<text>-</text>", b"<text>&gt;= 10</text>").replace(b'"dear"', b"7"),
)


def test_every_kind_of_mutant_of_a_decision_is_made() -> None:
    assert {one.what for one in mutants(RATING.content)} == {
        "rule 1 of 'rating' is gone",
        "rule 1 of 'rating' has <= for <: '<= 10' for '< 10'",
        'rule 1 of \'rating\' gives "cheap (changed)" for "cheap"',
        "rule 2 of 'rating' is gone",
        'rule 2 of \'rating\' gives "dear (changed)" for "dear"',
    }
    made = {one.what for one in mutants(RANGES.content)}
    assert {
        "rule 1 of 'rating' excludes a boundary: ']1..10)' for '[1..10)'",
        "rule 1 of 'rating' includes a boundary: '[1..10]' for '[1..10)'",
        "rule 2 of 'rating' has > for >=: '> 10' for '>= 10'",
        "rule 2 of 'rating' gives 7 + 1 for 7",
    } <= made
    fraud = mutants((ROOT / "bpmn" / "claims" / "fraud-score.dmn").read_bytes())
    assert any("the expression of the decision 'fraud-score' has <= for <" in one.what for one in fraud)


async def test_mutants_of_decisions_can_be_deployed(camunda: CamundaTest) -> None:
    made = [*mutants(RATING.content), *mutants(RANGES.content), *mutants((ROOT / "bpmn" / "claims" / "fraud-score.dmn").read_bytes())[::8]]
    for one in made:
        await camunda.deploy(Resource("some.dmn", one.content))


def test_a_boundary_that_no_test_looks_at_is_found_by_a_mutant(tmp_path: Path) -> None:
    (tmp_path / "rating.dmn").write_bytes(RATING.content)
    decision = {"decisionDefinitionSelector": {"decisionDefinitionId": "rating"}}
    seen = {"type": "ASSERT_DECISION", "decisionSelector": {"decisionDefinitionId": "rating"}}
    cases = {"testCases": [
        {"name": f"{weight}", "instructions": [
            {"type": "EVALUATE_DECISION", **decision, "variables": {"weight": weight}}, {**seen, "output": output},
        ]} for weight, output in ((3, "cheap"), (30, "dear"))
    ]}  # fmt: skip
    path = tmp_path / "rating.test.json"
    path.write_text(json.dumps(cases))
    suite = Suite([path], [], [], timeout=3)
    traces, failed = suite.traces()
    assert not failed
    fates = {one.mutant.what: one.fate for one in hunt(suite, traces)}
    assert [what for what, fate in fates.items() if fate is not Fate.NOTICED] == ["rule 1 of 'rating' has <= for <: '<= 10' for '< 10'"]
    assert len(fates) == 5


@pytest.mark.parametrize("content", [b"no xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'])
def test_what_is_no_diagram_has_no_mutants(content: bytes) -> None:
    assert not mutants(content)
