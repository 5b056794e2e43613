"""The same kit on an engine that is reached by its address only: commands over the network, everything else from its searches."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from camunda_workers.client import Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import Settings
from camunda_workers.testing import CamundaTest, ExpectationFailed, expect
from camunda_workers.testing.cluster import ClusterGround
from camunda_workers.testing.failures import UnknownName
from tests.testing.processes import CALLS, ORDER, RATING, ROUTES


@pytest.fixture
async def cluster() -> AsyncIterator[ClusterGround]:
    """An engine as ``camunda-workers engine start`` serves it."""
    async with EmbeddedEngine(grpc_port=0, rest_port=0) as engine:
        assert engine.rest_address
        settings = Settings().model_copy(update={"grpc_address": engine.grpc_address})
        yield ClusterGround(engine.rest_address, settings)


async def test_a_whole_path_with_people_time_and_variables(cluster: ClusterGround) -> None:
    async with CamundaTest(cluster) as camunda:
        await camunda.deploy(ORDER)
        price = camunda.mock_job("price", returns={"amount": 120})
        order = await camunda.start("order", customer="Ada")
        task = await camunda.task(order, "approve")
        await task.assign("ada")
        await expect(task).to_be_assigned_to("ada")
        await task.unassign()
        await expect(task).to_be_assigned_to(None)
        await expect(task).to_have_candidate_groups("boss")
        await task.complete(approved=True)
        await expect(order).to_be_waiting_exactly_at("cool-off")
        await camunda.advance(hours=49)
        await expect(order).to_be_completed()
        await expect(order).to_have_passed_exactly("started", "price", "approve", "cool-off", "ended")
        await expect(order).to_have_variables(amount=120, approved=True, customer="Ada")
        assert price.last.variables == {"customer": "Ada"}


async def test_messages_children_decisions_and_incidents(cluster: ClusterGround) -> None:
    async with CamundaTest(cluster) as camunda:
        await camunda.deploy(ROUTES, CALLS, RATING)
        camunda.mock_job("check")
        routes = await camunda.start("routes", id="A", amount=500)
        await expect(routes).to_be_awaiting_message("papers", "A")
        await camunda.correlate("papers", "A", pages=2)
        await expect(routes).to_be_completed()
        await expect(routes).to_have_taken("yes")
        await camunda.mock_child_process("shipping", returns={"weight": 3})
        calls = await camunda.start("calls")
        await expect(calls).to_have_decided("rating", "cheap", rules=[1])
        await expect(calls).to_have_called("shipping")
        camunda.mock_job("check", fails="no connection", retries=0)
        await expect(await camunda.start("routes", id="B", amount=1)).to_have_incident("check", message="no connection")


async def test_tests_see_and_clean_up_their_own_only(cluster: ClusterGround) -> None:
    async with CamundaTest(cluster) as one, CamundaTest(cluster.fresh()) as other:
        await one.deploy(ORDER)
        mine = await one.start("order")
        await expect(mine).to_be_waiting_at("price")
        theirs = await other.start("order")
        await expect(theirs).to_be_waiting_at("price")
        assert set(one.journal.instances) == {mine.key}
        assert set(other.journal.instances) == {theirs.key}
    async with Client(cluster._settings.grpc_address, cluster.kind) as client:  # pyright: ignore[reportPrivateUsage]
        assert not await client.search_process_instances({"state": "ACTIVE"})


async def test_a_failure_tells_the_story_and_wrong_names_are_refused(cluster: ClusterGround) -> None:
    async with CamundaTest(cluster) as camunda:
        await camunda.deploy(ORDER)
        order = await camunda.start("order")
        with pytest.raises(ExpectationFailed, match=r"(?s)but it is active.*waits for  price: a worker for 'price'"):
            await expect(order).to_be_completed()
        with pytest.raises(UnknownName, match="did you mean 'approve'"):
            await expect(order).to_be_waiting_at("aprove")
        with pytest.raises(UnknownName, match="did you mean 'order'"):
            await camunda.start("ordr")


async def test_an_address_where_nothing_answers_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"--camunda-engine=http://127\.0\.0\.1:9: no REST API answers there"):
        async with CamundaTest(ClusterGround("http://127.0.0.1:9")):
            pass


async def test_a_cluster_that_goes_away_in_mid_test_is_said() -> None:
    async with EmbeddedEngine(grpc_port=0, rest_port=0) as engine:
        assert engine.rest_address
        ground = ClusterGround(engine.rest_address, Settings().model_copy(update={"grpc_address": engine.grpc_address}))
        async with CamundaTest(ground, timeout=3) as camunda:
            await camunda.deploy(ORDER)
            order = await camunda.start("order")
            await engine.stop()
            with pytest.raises(ExpectationFailed, match="stopped in mid-test"):
                await expect(order).to_be_completed()
