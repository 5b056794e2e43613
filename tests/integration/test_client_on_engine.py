"""The client on Camunda's real engine: deployments, instances, messages, signals, variables, decisions.

Jobs and repairs are beside this in ``test_client_jobs_on_engine``, people and searches in ``test_client_tasks_on_engine``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.client import Client, Resource
from camunda_workers.client.results import (
    DecisionDefinition,
    DecisionRequirements,
    FormDefinition,
    MatchedRule,
    ProcessDefinition,
    ProcessInstance,
    ProcessResult,
)
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import AlreadyExists, BadResource, DeadlineExceeded, InvalidArgument, NotFound
from tests.support.commands import deploy, elements, job_of, variables
from tests.support.diagrams import ONE_TASK, process, sequence, service_task
from tests.support.resources import form, table

pytestmark = pytest.mark.engine

MINUTE = timedelta(minutes=1)
EMPTY = process("empty", sequence())
MESSAGE = '<bpmn:message id="paid" name="paid"><bpmn:extensionElements><zeebe:subscription correlationKey="=order"/></bpmn:extensionElements></bpmn:message>'
WAITS_FOR_MESSAGE = process(
    "waits", sequence('<bpmn:intermediateCatchEvent id="wait"><bpmn:messageEventDefinition messageRef="paid"/></bpmn:intermediateCatchEvent>'), MESSAGE
)  # fmt: skip
WAITS_FOR_SIGNAL = process(
    "listens",
    sequence('<bpmn:intermediateCatchEvent id="wait"><bpmn:signalEventDefinition signalRef="storm"/></bpmn:intermediateCatchEvent>'),
    '<bpmn:signal id="storm" name="storm"/>',
)


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(engine.grpc_address, engine.rest_address) as opened:
        yield opened


def test_every_command_is_tried_on_the_engine() -> None:
    commands = {name for name, member in inspect.getmembers(Client) if inspect.isfunction(member) and not name.startswith("_")}
    sources = Path(__file__).parent.glob("test_client_*on_engine.py")
    tried = set(re.findall(r"client\.(\w+)\(", "".join(source.read_text("utf-8") for source in sources)))
    assert not commands - tried


async def test_topology_says_who_answers(engine: EmbeddedEngine, client: Client) -> None:
    topology = await client.topology()
    (broker,) = topology.brokers
    assert (topology.gateway_version, topology.cluster_size, topology.partitions_count) == ("8.8.21", 1, 1)
    assert f"{broker.host}:{broker.port}" == engine.grpc_address
    assert [(one.id, one.role, one.health) for one in broker.partitions] == [(1, "LEADER", "HEALTHY")]


async def test_bpmn_dmn_and_form_are_deployed_in_one_call(client: Client, tmp_path: Path) -> None:
    (tmp_path / "forms").mkdir()
    (tmp_path / "one-task.bpmn").write_bytes(ONE_TASK)
    (tmp_path / "risk.dmn").write_bytes(table("risk"))
    (tmp_path / "forms" / "ask.form").write_bytes(form("ask"))
    deployed = await client.deploy(tmp_path)
    assert deployed.key > 0
    (definition,), (decision,), (requirements,), (ask,) = (
        deployed.processes, deployed.decisions, deployed.decision_requirements, deployed.forms,
    )  # fmt: skip
    assert definition == ProcessDefinition("one-task", 1, definition.process_definition_key, "one-task.bpmn", "<default>")
    requirements_key = requirements.decision_requirements_key
    assert decision == DecisionDefinition("risk", "Risk", 1, decision.decision_key, "risk-file", requirements_key, "<default>")
    assert requirements == DecisionRequirements("risk-file", "Risk", 1, requirements_key, "risk.dmn", "<default>")
    assert ask == FormDefinition("ask", 1, ask.form_key, "ask.form", "<default>")
    again = await client.deploy(tmp_path)
    assert again.processes == deployed.processes, "what has not changed keeps its version and key"
    (changed,) = await deploy(client, ONE_TASK.replace(b'retries="3"', b'retries="4"'))
    assert changed.version == 2


async def test_all_of_a_deployment_or_nothing(client: Client) -> None:
    with pytest.raises(BadResource, match=r"^bad\.bpmn, element 'work'"):
        await client.deploy(
            Resource("good.bpmn", ONE_TASK), Resource("bad.bpmn", process("bad", sequence('<bpmn:serviceTask id="work"/>')))
        )
    with pytest.raises(NotFound, match="one-task"):
        await client.start("one-task")


async def test_a_started_instance_says_what_it_is(client: Client) -> None:
    first, _ = *await deploy(client, ONE_TASK), *await deploy(client, ONE_TASK.replace(b'retries="3"', b'retries="7"'))
    started = await client.start("one-task", {"x": 1}, version=1, business_id="CLM-1", tags=["vip"])
    tags = ("vip", "businessId:CLM-1")
    expected = ProcessInstance(
        started.process_instance_key, first.process_definition_key, "one-task", 1, "<default>", started.tags, "CLM-1"
    )
    assert started == expected
    assert sorted(started.tags) == sorted(tags)
    job = await job_of(client)
    assert (job.processInstanceKey, job.retries, json.loads(job.variables)) == (started.process_instance_key, 3, {"x": 1})
    assert sorted(job.tags) == sorted(tags), "workers learn the business id from the job's tags"
    (found,) = await client.search_process_instances({"processInstanceKey": started.process_instance_key})
    assert sorted(found.tags) == sorted(tags)
    with pytest.raises(InvalidArgument, match="does not fit"):
        await client.start("one-task", business_id="claim no. 7")
    with pytest.raises(NotFound, match="'nobody'"):
        await client.start("nobody")


async def test_an_instance_starts_where_it_is_told(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, process("two", sequence(service_task("first", "first"), service_task("second", "second"))))
    await client.start("two", start_before=["second"])
    await client.complete_job((await job_of(client, "second")).key)
    assert await elements(engine) == ["second", "ended", "two"]


async def test_a_result_brings_all_variables_or_those_asked_for(client: Client) -> None:
    (definition,) = await deploy(client, EMPTY)
    whole = await client.start_with_result("empty", {"a": [1, None], "ü": {"b": 1.5}}, business_id="CLM-2")
    assert whole == ProcessResult(
        whole.process_instance_key, definition.process_definition_key, "empty", 1, "<default>", ("businessId:CLM-2",), "CLM-2",
        {"a": [1, None], "ü": {"b": 1.5}},
    )  # fmt: skip
    some = await client.start_with_result("empty", {"a": 1, "b": 2}, fetch_variables=["b", "c"])
    assert some.variables == {"b": 2}


async def test_a_result_that_does_not_come_in_time(client: Client) -> None:
    await deploy(client, ONE_TASK)
    with pytest.raises(DeadlineExceeded, match=r"no answer in time.*may have been executed"):
        await client.start_with_result("one-task", timeout=timedelta(milliseconds=200))
    await client.complete_job((await job_of(client)).key)  # the instance goes on all the same


async def test_a_message_finds_its_instance(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, WAITS_FOR_MESSAGE)
    instance = (await client.start("waits", {"order": "A-1"})).process_instance_key
    await engine.settle()
    published = await client.publish_message("paid", "A-1", {"amount": 7}, ttl=timedelta(0))
    assert published.key is not None
    assert await elements(engine) == ["started", "wait", "ended", "waits"]
    assert await variables(client, instance) == {(instance, "order"): "A-1", (instance, "amount"): 7}


async def test_a_message_waits_as_long_as_it_lives(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, WAITS_FOR_MESSAGE)
    await client.publish_message("paid", "kept", ttl=timedelta(hours=2))
    await client.publish_message("paid", "gone", ttl=timedelta(minutes=10))
    await engine.advance(timedelta(hours=1))
    await client.start("waits", {"order": "gone"})
    assert "waits" not in await elements(engine)
    await client.start_with_result("waits", {"order": "kept"})


async def test_a_message_id_is_taken_once_while_the_message_lives(engine: EmbeddedEngine, client: Client) -> None:
    await client.publish_message("paid", "A-1", message_id="1", ttl=timedelta(hours=1))
    with pytest.raises(AlreadyExists, match="id '1'"):  # nothing was lost on the way, so this is somebody's mistake
        await client.publish_message("paid", "A-1", message_id="1", ttl=timedelta(hours=1))
    await client.publish_message("paid", "A-2", message_id="1", ttl=timedelta(hours=1))  # ids are told apart by correlation key
    await engine.advance(timedelta(hours=2))
    await client.publish_message("paid", "A-1", message_id="1", ttl=timedelta(hours=1))


async def test_a_signal_reaches_everybody_who_listens(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, WAITS_FOR_SIGNAL)
    instances = [(await client.start("listens")).process_instance_key for _ in range(3)]
    await engine.settle()
    signal = await client.broadcast_signal("storm", {"force": 9})
    assert (signal.key > 0, signal.tenant_id) == (True, "<default>")
    assert (await elements(engine)).count("listens") == 3
    assert [await variables(client, key) for key in instances] == [{(key, "force"): 9} for key in instances]


async def test_a_cancelled_instance_is_over(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    key = (await client.start("one-task")).process_instance_key
    job = await job_of(client)
    await client.cancel(key)
    assert await elements(engine, "ELEMENT_TERMINATED") == ["work", "one-task"]
    with pytest.raises(NotFound, match=str(key)):
        await client.cancel(key)
    with pytest.raises(NotFound, match=str(job.key)):
        await client.complete_job(job.key)


async def test_variables_are_set_here_or_where_they_are(client: Client) -> None:
    await deploy(client, ONE_TASK)
    root = (await client.start("one-task", {"x": 1})).process_instance_key
    task = (await job_of(client)).elementInstanceKey
    await client.set_variables(task, {"x": 2, "y": 3})
    assert await variables(client, root) == {(root, "x"): 2, (root, "y"): 3}
    await client.set_variables(task, {"x": 4}, local=True)
    await client.set_variables(task, {"x": 5})
    assert await variables(client, root) == {(root, "x"): 2, (root, "y"): 3, (task, "x"): 5}
    with pytest.raises(NotFound, match="17"):
        await client.set_variables(17, {"x": 1})


async def test_a_decision_says_why(client: Client) -> None:
    deployed = await client.deploy(Resource("risk.dmn", table("risk")))
    answer = await client.evaluate_decision("risk", {"amount": 200})
    assert (answer.output, answer.decision_id, answer.name, answer.version) == ("high", "risk", "Risk", 1)
    assert answer.decision_key == deployed.decisions[0].decision_key
    (only,) = answer.evaluated
    assert (only.type, only.inputs, only.matched_rules) == (
        "DECISION_TABLE",
        {"Amount": 200},
        (MatchedRule("rule-1", 1, {"Band": "high"}),),
    )
    with pytest.raises(NotFound, match="'nobody'"):
        await client.evaluate_decision("nobody")


async def test_a_decision_that_cannot_be_made(client: Client) -> None:
    await client.deploy(Resource("risk.dmn", table("risk", first="&gt; 100", second="&gt; 50", hit_policy="UNIQUE")))
    with pytest.raises(InvalidArgument, match=r"decision 'risk' could not be evaluated.*UNIQUE"):
        await client.evaluate_decision("risk", {"amount": 200})
