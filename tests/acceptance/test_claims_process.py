"""Every path through the claims diagram, each on a fresh engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.acceptance.claims_stories import STORIES
from tests.acceptance.story import Story
from tests.support.element_coverage import parts
from tests.support.story_driver import StoryTeller

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("claims-process")]

ROOT = Path(__file__).resolve().parents[2]
DIAGRAM = ROOT / "bpmn" / "claims" / "claims.bpmn"
_passed: set[str] = set()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_claim_ends_where_it_must(story: Story, diagram_coverage: Any) -> None:
    async with EmbeddedEngine(rest_port=0) as engine, Client(engine.grpc_address, engine.rest_address) as client:
        await client.deploy(DIAGRAM.parent, ROOT / "forms")
        told = await StoryTeller(engine, client).tell(story)
    assert told.completed
    assert told.ends[-1] == story.end
    flows = iter(told.flows)
    assert all(flow in flows for flow in story.flows), f"flows taken: {told.flows}"
    assert not told.elements & set(story.never)
    assert dict(story.decision).items() <= told.variables.get("decision", {}).items()
    _passed.update(told.elements, told.flows)
    diagram_coverage(DIAGRAM, told.elements | set(told.flows))


def test_together_the_stories_pass_every_element_and_flow(request: pytest.FixtureRequest) -> None:
    told = sum(item.name.startswith("test_the_claim_ends") for item in request.session.items)
    if told < len(STORIES):
        pytest.skip("only some of the stories were told in this run")
    elements, flows = parts(DIAGRAM)
    assert not elements - _passed
    assert not flows - _passed
