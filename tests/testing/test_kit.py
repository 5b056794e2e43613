"""What a test does with the kit: start, work, time, messages, mocks, real workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest

from camunda_workers import BpmnError, Header, JobContext, Router, worker
from camunda_workers.client import Client
from camunda_workers.errors import BadResource, ConfigurationError, InvalidArgument, InvalidState
from camunda_workers.testing import CamundaTest, UnknownName, expect
from camunda_workers.worker import Corrected, Failed
from tests.support.diagrams import process, sequence, service_task
from tests.testing.processes import CALLS, ORDER, RATING, REVIEW, ROUTES


class NoCover(BpmnError):
    code = "NO_COVER"


@worker("price")
async def price(customer: str, job: JobContext) -> dict[str, int]:
    return {"amount": len(customer) * 10}


async def test_the_promised_shape_of_a_test(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    price = camunda.mock_job("price", returns={"amount": 120})
    order = await camunda.start("order", customer="Ada")
    await expect(order).to_be_waiting_at("approve")
    task = await camunda.task(order, "approve")
    await task.complete(approved=True)
    await camunda.advance(hours=49)
    await expect(order).to_have_passed("price", "approve")
    await expect(order).to_have_variable("amount", 120)
    await expect(order).to_be_completed()
    assert price.count == 1
    assert price.last.variables == {"customer": "Ada"}


async def test_real_workers_run_beside_mocks(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    camunda.worker(price)
    order = await camunda.start("order", customer="Ada")
    await expect(order).to_have_variable("amount", 30)


async def test_a_function_becomes_a_worker_in_the_test(camunda: CamundaTest) -> None:
    await camunda.deploy(process_with_header())

    @camunda.worker("greet")
    async def greet(name: str, style: Annotated[str, Header("style")]) -> dict[str, str]:
        return {"greeting": f"{style} {name}"}

    greeted = await camunda.start("greets", name="Ada")
    await expect(greeted).to_have_variables(greeting="Hello Ada")
    assert await greet("Bo", "Hi") == {"greeting": "Hi Bo"}


def process_with_header() -> Any:
    from camunda_workers.client import Resource

    return Resource("greets.bpmn", process("greets", sequence(service_task("greet", "greet", {"style": "Hello"}))))


async def test_routers_bring_resources_that_a_test_can_replace(camunda: CamundaTest) -> None:
    from camunda_workers import Provided

    class Prices:
        def __init__(self, amount: int) -> None:
            self.amount = amount

    router = Router()

    @router.worker("price")
    async def price(prices: Annotated[Prices, Provided]) -> dict[str, int]:
        return {"amount": prices.amount}

    await camunda.deploy(ORDER)
    await camunda.worker(router, resources={Prices: Prices(7)})
    await expect(await camunda.start("order")).to_have_variable("amount", 7)


async def test_two_workers_for_one_type_are_refused(camunda: CamundaTest) -> None:
    camunda.mock_job("price")
    camunda.worker(price)
    with pytest.raises(ConfigurationError, match="two workers for job type 'price'"):
        await camunda.deploy(ORDER)


async def test_mocks_throw_fail_and_answer_in_turn(camunda: CamundaTest) -> None:
    await camunda.deploy(ROUTES)
    mock = camunda.mock_job("check", throws="NO_COVER")
    await expect(await camunda.start("routes", amount=1, id="A")).to_have_passed("no-cover", "refused")
    camunda.mock_job("check", throws=NoCover("none", variables={"why": "lapsed"}))
    await expect(await camunda.start("routes", amount=1, id="B")).to_have_variable("why", "lapsed", element="no-cover")
    camunda.mock_job("check", fails="no connection", retries=0)
    stuck = await camunda.start("routes", amount=1, id="C")
    await expect(stuck).to_have_incident("check", error_type="JOB_NO_RETRIES", message="no connection")
    camunda.mock_job("check", returns=[Failed("once", retries=2), {"amount": 2}])
    await camunda.resolve_incident(stuck)
    await expect(stuck).to_be_completed()
    await expect(stuck).to_have_no_incident()
    assert mock.count == 5
    assert mock.calls[-1].element_id == "check"


async def test_a_mock_can_be_a_function_of_the_job(camunda: CamundaTest) -> None:
    await camunda.deploy(ROUTES)

    async def check(job: JobContext) -> dict[str, Any]:
        if job.variables["id"] == "bad":
            raise NoCover("never")
        return {"amount": job.variables["amount"] * 2}

    camunda.mock_job("check", returns=check)
    await expect(await camunda.start("routes", amount=4, id="good")).to_have_variable("amount", 8)
    await expect(await camunda.start("routes", amount=4, id="bad")).to_have_passed("refused")
    with pytest.raises(ConfigurationError, match="returns and throws exclude each other"):
        camunda.mock_job("check", returns={}, throws="X")


async def test_messages_are_published_when_somebody_waits(camunda: CamundaTest) -> None:
    await camunda.deploy(ROUTES)
    camunda.mock_job("check")
    claim = await camunda.start("routes", amount=500, id="A-1")
    await expect(claim).to_be_awaiting_message("papers", "A-1")
    await camunda.publish("papers", "A-1", pages=3)
    await expect(claim).to_have_received_message("papers")
    await expect(claim).to_have_variable("pages", 3)
    await expect(claim).to_not_be_awaiting_message("papers")


async def test_children_and_decisions_are_mocked(camunda: CamundaTest) -> None:
    await camunda.deploy(CALLS)
    camunda.mock_child_process("shipping", returns={"parcel": {"weight": 2.5, "to": 'Ada "A" & Co'}})
    camunda.mock_decision("rating", returns=["cheap", None, True])
    calls = await camunda.start("calls")
    await expect(calls).to_be_completed()
    await expect(calls).to_have_called("shipping")
    await expect(calls).to_have_variables(parcel={"weight": 2.5, "to": 'Ada "A" & Co'}, rate=["cheap", None, True])


async def test_decisions_are_evaluated_alone_and_in_processes(camunda: CamundaTest) -> None:
    await camunda.deploy(CALLS, RATING)
    assert (await camunda.evaluate("rating", weight=3)).output == "cheap"
    camunda.mock_child_process("shipping")
    calls = await camunda.start("calls", weight=30)
    await expect(calls).to_have_decided("rating", "dear", rules=[2], not_rules=["light"])


async def test_listeners_deny_and_correct(camunda: CamundaTest) -> None:
    await camunda.deploy(REVIEW)
    listener = camunda.mock_job("check-review", denies="say why first")
    review = await camunda.start("reviewing")
    task = await camunda.task(review)
    with pytest.raises(InvalidState, match="say why first"):
        await task.complete()
    listener.returns(Corrected(priority=80))
    await task.complete(note="because")
    await expect(task).to_be_completed()
    await expect(task).to_have_priority(80)
    await expect(review).to_be_completed()
    assert listener.last.job.user_task is not None


async def test_user_tasks_are_assigned_and_changed(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    camunda.mock_job("price")
    order = await camunda.start("order")
    task = await camunda.task(order, "approve")
    await expect(task).to_have_candidate_groups("boss")
    await expect(task).to_be_assigned_to(None)
    await task.assign("ada")
    await expect(task).to_be_assigned_to("ada")
    await expect(order).to_have_user_task("approve", assignee="ada", group="boss")
    await task.update(priority=90, candidate_groups=["chiefs"], due_date="2040-01-01T00:00:00Z")
    await expect(task).to_have_priority(90)
    await expect(task).to_have_candidate_groups("chiefs")
    await expect(task).to_be_due(datetime.fromisoformat("2040-01-01T00:00:00Z"))
    await task.unassign()
    await expect(task).to_be_assigned_to(None)
    await order.cancel()
    await expect(task).to_be_canceled()
    await expect(order).to_be_terminated()


async def test_variables_can_be_set_and_read(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    camunda.mock_job("price")
    order = await camunda.start("order", {"a": 1})
    await order.set_variables(b=2)
    await order.set_variables(c=3, element="approve")
    await expect(order).to_have_variable("c", 3, element="approve")
    await expect(order).to_not_have_variable("c")
    await expect(order).to_satisfy("a + b = 3")
    assert await order.variables() == {"a": 1, "b": 2}


async def test_time_goes_forward_only(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    before = camunda.now()
    await camunda.advance(
        timedelta(days=2),
    )
    assert timedelta(days=2) <= camunda.now() - before < timedelta(days=2, minutes=1)
    with pytest.raises(InvalidArgument, match="backwards"):
        await camunda.advance(hours=-1)
    with pytest.raises(InvalidArgument, match="backwards"):
        await camunda.advance_to(before)
    with pytest.raises(InvalidArgument, match="advance by how much"):
        await camunda.advance()
    with pytest.raises(InvalidArgument, match="hour"):
        await camunda.advance(hour=1)


async def test_start_options(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    order = await camunda.start("order", business_id="O-1", tags=["vip"], start_before=["approve"])
    await expect(order).to_be_waiting_exactly_at("approve")
    fact = order.fact()
    assert fact is not None
    assert set(fact.tags) == {"vip", "businessId:O-1"}
    ended = await camunda.start("order", start_before=["approve"], terminate_after=["approve"])
    await (await camunda.task(ended)).complete()
    await expect(ended).to_be_terminated()


async def test_a_refused_diagram_is_named(camunda: CamundaTest, tmp_path: Any) -> None:
    (tmp_path / "broken.bpmn").write_bytes(ORDER.content.replace(b'targetRef="ended"', b'targetRef="nowhere"'))
    with pytest.raises(BadResource, match=r"broken\.bpmn"):
        await camunda.deploy(tmp_path / "broken.bpmn")
    with pytest.raises(UnknownName, match="nothing is deployed yet"):
        await camunda.start("order")


async def test_the_rest_api_is_served_when_asked_for(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER)
    await camunda.start("order", start_before=["approve"])
    address = await camunda.ground.rest_address()
    async with Client(camunda.client.settings.grpc_address, address) as client:
        assert next(iter(await client.search_user_tasks({"state": "CREATED"}))).element_id == "approve"


async def test_an_expectation_that_holds_returns_at_once(camunda: CamundaTest, monkeypatch: pytest.MonkeyPatch) -> None:
    await camunda.deploy(ORDER)
    camunda.mock_job("price", returns={"amount": 1})
    order = await camunda.start("order")
    await expect(order).to_be_waiting_at("approve")
    await camunda.settle()

    async def wait(seconds: float) -> None:
        raise AssertionError(f"it waited for {seconds} s although it holds")

    monkeypatch.setattr(camunda.waiting, "_wait", wait)
    await expect(order).to_have_variable("amount", 1)
