"""Tests of processes: a fresh real engine for each, virtual time, awaiting expectations that fail with the instance's story.

::

    async def test_a_cheap_order_needs_no_approval(camunda: CamundaTest) -> None:
        await camunda.deploy("order.bpmn")
        camunda.mock_job("price", returns={"amount": 20})
        order = await camunda.start("order", customer="Ada")
        await expect(order).to_have_passed("price", "ship")
        await expect(order).to_be_completed()

The fixture ``camunda`` comes with the package. Nothing that runs in production imports this.
"""

from __future__ import annotations

from camunda_workers.testing.expect import expect
from camunda_workers.testing.failures import ExpectationFailed, UnknownName
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.job_environment import JobEnvironment
from camunda_workers.testing.kit import CamundaTest
from camunda_workers.testing.mocks import Invocation, MockJob

__all__ = ["CamundaTest", "ExpectationFailed", "Instance", "Invocation", "JobEnvironment", "MockJob", "UnknownName", "UserTask", "expect"]
