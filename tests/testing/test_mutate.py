"""Mutants: what they are, and that a suite's gaps are found by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camunda_workers.testing import CamundaTest
from camunda_workers.testing.diagrams import read_processes
from camunda_workers.testing.mutants import Fate, Suite, hunt
from camunda_workers.testing.mutate import mutants
from tests.testing.processes import ROUTES
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
    from camunda_workers.client import Resource

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


@pytest.mark.parametrize("content", [b"no xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'])
def test_what_is_no_diagram_has_no_mutants(content: bytes) -> None:
    assert not mutants(content)
