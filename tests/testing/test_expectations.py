"""What expectations say when they do not hold, and that they say it at once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from camunda_workers.testing import CamundaTest, ExpectationFailed, Instance, UnknownName, expect
from tests.testing.processes import ORDER, ROUTES


@pytest.fixture
async def order(camunda: CamundaTest) -> Instance:
    await camunda.deploy(ORDER)
    camunda.mock_job("price", returns={"amount": 120})
    return await camunda.start("order", customer="Ada")


FAILING: list[tuple[str, Callable[[Instance], Awaitable[None]], str]] = [
    ("completed", lambda o: expect(o).to_be_completed(), "expected the process instance to be completed, but it is active"),
    ("variable", lambda o: expect(o).to_have_variable("amount", 121), "expected variable 'amount' to be 121, but it is 120"),
    ("bool is no number", lambda o: expect(o).to_have_variable("amount", True), "to be true, but it is 120"),
    ("variables", lambda o: expect(o).to_have_variables(amount=120, vip=True), "'vip' to be true, but it is not there"),
    ("names", lambda o: expect(o).to_have_variable_names("amount", "vip"), "not there: vip"),
    ("no variable", lambda o: expect(o).to_not_have_variable("amount"), "expected no variable 'amount', but it is 120"),
    ("waiting", lambda o: expect(o).to_be_waiting_at("price"), "expected to be waiting at 'price', but it is at 'approve'"),
    ("exactly", lambda o: expect(o).to_be_waiting_exactly_at("approve", "price"), "it is at 'approve'"),
    ("not waiting", lambda o: expect(o).to_not_be_waiting_at("approve"), "expected not to be waiting at 'approve'"),
    ("passed", lambda o: expect(o).to_have_passed("price", "approve"), "'approve' has not completed (approve is active)"),
    ("order", lambda o: expect(o).to_have_passed("price", "started"), "but the order was started > price"),
    ("exact path", lambda o: expect(o).to_have_passed_exactly("price"), "but it passed started > price"),
    ("times", lambda o: expect(o).to_have_completed("price", times=2), "to have completed 2 times, but: price 1"),
    ("terminated", lambda o: expect(o).to_have_terminated("price"), "not 'price'"),
    ("not passed", lambda o: expect(o).to_not_have_passed("price"), "expected not to have passed 'price'"),
    ("not entered", lambda o: expect(o).to_not_have_entered("approve"), "expected never to have entered 'approve'"),
    ("flow", lambda o: expect(o).to_have_taken("flow-0", "flow-2"), "but it took flow-0, flow-1"),
    ("incident", lambda o: expect(o).to_have_incident("price"), "expected an incident at 'price', but there is none"),
    ("job", lambda o: expect(o).to_have_job("price"), "to be created, but its jobs are: price at 'price' (completed"),
    ("message", lambda o: expect(o).to_be_awaiting_message("paid"), "it awaits no message"),
    ("decision", lambda o: expect(o).to_have_decided("rating"), "it was not evaluated (evaluated: none)"),
    (
        "task",
        lambda o: expect(o).to_have_user_task("approve", assignee="ada"),
        "with assignee ada, but there is: approve (created, assignee nobody",
    ),
    ("called", lambda o: expect(o).to_have_called("child"), "but it called none"),
    ("feel", lambda o: expect(o).to_satisfy("amount > 200"), "expected amount > 200 to be true, but it is false"),
]


@pytest.mark.parametrize(("call", "words"), [case[1:] for case in FAILING], ids=[case[0] for case in FAILING])
async def test_failures_say_what_is_the_case_and_tell_the_story(
    order: Instance, call: Callable[[Instance], Awaitable[None]], words: str
) -> None:
    await expect(order).to_be_waiting_at("approve")
    with pytest.raises(ExpectationFailed) as failed:
        await call(order)
    text = str(failed.value)
    assert "not within" not in text  # it did not wait for its ten seconds
    assert words in text
    assert "path       started > price" in text
    assert 'customer = "Ada"; amount = 120' in text
    assert "waits for  approve: someone of boss to claim it" in text
    assert "price: completed  [service mock price]" in text


async def test_unknown_elements_are_refused_with_near_matches(order: Instance, camunda: CamundaTest) -> None:
    with pytest.raises(UnknownName, match="there is no element 'aprove' in process 'order'; did you mean 'approve'"):
        await expect(order).to_be_waiting_at("aprove")
    with pytest.raises(UnknownName, match="there are 'approve', 'cool-off', 'ended'"):
        await expect(order).to_not_have_passed("zzz")
    with pytest.raises(UnknownName, match="there is no element 'Approve'"):
        await camunda.task(order, "Approve")


async def test_unknown_processes_are_refused_with_near_matches(camunda: CamundaTest) -> None:
    await camunda.deploy(ORDER, ROUTES)
    with pytest.raises(UnknownName, match="did you mean 'order'"):
        await camunda.start("ordr")


async def test_a_timeout_that_is_given_is_waited_for(order: Instance) -> None:
    await expect(order).to_be_waiting_at("approve")
    begun = time.perf_counter()
    with pytest.raises(ExpectationFailed, match=r"not within 0\.3 s"):
        await expect(order, timeout=0.3).to_be_completed()
    assert time.perf_counter() - begun >= 0.3


async def test_a_missing_user_task_tells_the_story(order: Instance, camunda: CamundaTest) -> None:
    await (await camunda.task(order)).complete()
    with pytest.raises(
        ExpectationFailed, match=r"(?s)expected a user task, and there is none.*waits for  cool-off: time to pass, due in 2 d"
    ):
        await camunda.task(order)


def test_what_cannot_be_expected_of_is_refused() -> None:
    with pytest.raises(TypeError, match="a process instance or a user task, not int"):
        expect(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def test_what_was_not_awaited_is_refused(camunda: CamundaTest) -> None:
    started = camunda.start("order")
    with pytest.raises(TypeError, match="not awaited"):
        expect(started)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    started.close()
