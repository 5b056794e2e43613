"""Explorations find seeded defects and shrink them to the shortest story."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from camunda_workers.client import Resource
from camunda_workers.testing import CamundaTest, Instance
from camunda_workers.testing.explore import ExplorationFailed
from tests.support.diagrams import process, sequence, service_task, user_task
from tests.testing.processes import ROUTES

PAYS_TWICE = Resource(
    "pays.bpmn",
    process(
        "pays",
        """
        <bpmn:startEvent id="begun"/><bpmn:sequenceFlow id="f1" sourceRef="begun" targetRef="again"/>
        <bpmn:exclusiveGateway id="again"/><bpmn:sequenceFlow id="f2" sourceRef="again" targetRef="pay"/>
        <bpmn:scriptTask id="pay"><bpmn:extensionElements><zeebe:script expression="=paid + part" resultVariable="paid"/></bpmn:extensionElements>
        </bpmn:scriptTask><bpmn:sequenceFlow id="f3" sourceRef="pay" targetRef="check"/>
        <bpmn:userTask id="check"><bpmn:extensionElements><zeebe:userTask/></bpmn:extensionElements></bpmn:userTask>
        <bpmn:sequenceFlow id="f4" sourceRef="check" targetRef="more"/>
        <bpmn:exclusiveGateway id="more" default="f6"/><bpmn:sequenceFlow id="f5" sourceRef="more" targetRef="again">
        <bpmn:conditionExpression xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="bpmn:tFormalExpression">=again</bpmn:conditionExpression>
        </bpmn:sequenceFlow><bpmn:sequenceFlow id="f6" sourceRef="more" targetRef="done"/><bpmn:endEvent id="done"/>
        """,
    ),
)
"""Pays a part as often as somebody says "again", whatever was approved."""

HALF = Resource(
    "half.bpmn",
    process(
        "half",
        """
        <bpmn:startEvent id="begun"/><bpmn:sequenceFlow id="f1" sourceRef="begun" targetRef="either"/>
        <bpmn:exclusiveGateway id="either" default="f3"/><bpmn:sequenceFlow id="f2" sourceRef="either" targetRef="both">
        <bpmn:conditionExpression xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="bpmn:tFormalExpression">=left</bpmn:conditionExpression>
        </bpmn:sequenceFlow><bpmn:sequenceFlow id="f3" sourceRef="either" targetRef="both"/>
        <bpmn:parallelGateway id="both"/><bpmn:sequenceFlow id="f4" sourceRef="both" targetRef="done"/><bpmn:endEvent id="done"/>
        """,
    ),
)
"""A parallel join behind an exclusive split: waits for ever for the other branch."""


async def test_a_broken_invariant_is_shrunk_to_the_shortest_story(camunda: CamundaTest) -> None:
    await camunda.deploy(PAYS_TWICE)

    def never_more_than_approved(instance: Instance, variables: dict[str, Any]) -> None:
        del instance
        assert variables["paid"] <= variables["approved"], f"paid {variables['paid']} of {variables['approved']}"

    with pytest.raises(ExplorationFailed) as failed:
        await camunda.explore(
            "pays",
            inputs=st.fixed_dictionaries({"approved": st.integers(100, 200), "part": st.integers(1, 100), "paid": st.just(0)}),
            tasks={"check": st.fixed_dictionaries({"again": st.booleans()})},
            invariant=never_more_than_approved,
            stories=40,
            seed=7,
        )
    assert "a broken invariant: paid" in str(failed.value)
    assert len(failed.value.steps) == 2  # start, say "again" once
    assert '"again": true' in failed.value.steps[-1]
    assert "story" in str(failed.value)


async def test_an_incident_is_found(camunda: CamundaTest) -> None:
    await camunda.deploy(ROUTES)
    with pytest.raises(ExplorationFailed, match="an incident: EXTRACT_VALUE_ERROR at 'large'"):
        await camunda.explore("routes", inputs={"id": "A"}, stories=20, seed=1)


async def test_a_dead_wait_is_found(camunda: CamundaTest) -> None:
    await camunda.deploy(HALF)
    with pytest.raises(ExplorationFailed, match="a dead wait") as failed:
        await camunda.explore("half", inputs={"left": True}, stories=3)
    assert failed.value.steps == ("'half' starts with {\"left\": true}",)


async def test_a_sound_process_passes_and_every_kind_of_move_is_made(camunda: CamundaTest) -> None:
    await camunda.deploy(ROUTES)
    seen = await camunda.explore(
        "routes", inputs=st.fixed_dictionaries({"id": st.just("A"), "amount": st.integers(0, 1000)}), stories=25, seed=1
    )
    assert seen.ended == seen.stories
    assert {"refused", "no-cover", "wait-for-papers", "done"} <= seen.elements


async def test_mocks_of_the_setup_are_not_moves(camunda: CamundaTest) -> None:
    await camunda.deploy(Resource("two.bpmn", process("two", sequence(service_task("one", "one"), user_task("two-b")))))
    asked: list[int] = []

    def setup(kit: CamundaTest) -> None:
        kit.mock_job("one", returns=lambda job: asked.append(job.key))

    seen = await camunda.explore("two", setup=setup, stories=3)
    assert len(asked) == seen.stories
