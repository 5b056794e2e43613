"""The client against a real gRPC server that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
import structlog
from pydantic import SecretStr

from camunda_workers.client import Activate, BackOff, Client, Resource
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import (
    AlreadyExists,
    BackPressure,
    BadResource,
    ConfigurationError,
    DeadlineExceeded,
    EngineError,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unauthenticated,
)
from camunda_workers.settings import Settings
from tests.support.scripted_engine import Refuse, Reply, ScriptedGateway, Wait, scripted_gateway, scripted_rest

pytestmark = pytest.mark.asyncio

Code = grpc.StatusCode
QUICK = BackOff(attempts=4, first=0.01, longest=0.05)
BUSY = Refuse(Code.RESOURCE_EXHAUSTED, "Reached maximum capacity of requests handled")
LOST = Refuse(Code.UNAVAILABLE, "recvmsg: Connection reset by peer")
BPMN = '<d:definitions xmlns:d="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><d:process id="{}" isExecutable="true"/></d:definitions>'


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


@pytest_asyncio.fixture
async def client(gateway: ScriptedGateway) -> AsyncIterator[Client]:
    settings = Settings(grpc_address=gateway.address, request_timeout=5.0)
    async with Client(settings=settings, back_off=QUICK) as opened:
        yield opened


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Code.ALREADY_EXISTS, AlreadyExists),
        (Code.FAILED_PRECONDITION, InvalidState),
        (Code.NOT_FOUND, NotFound),
        (Code.INVALID_ARGUMENT, InvalidArgument),
        (Code.OUT_OF_RANGE, InvalidArgument),
        (Code.UNIMPLEMENTED, NotSupported),
        (Code.RESOURCE_EXHAUSTED, BackPressure),
        (Code.UNAVAILABLE, EngineUnavailable),
        (Code.ABORTED, EngineUnavailable),
        (Code.DEADLINE_EXCEEDED, DeadlineExceeded),
        (Code.PERMISSION_DENIED, PermissionDenied),
        (Code.UNAUTHENTICATED, Unauthenticated),
        (Code.INTERNAL, EngineFailure),
        (Code.UNKNOWN, EngineFailure),
    ],
)
async def test_each_status_is_an_error_of_ours(
    gateway: ScriptedGateway, client: Client, status: grpc.StatusCode, kind: type[EngineError]
) -> None:
    gateway.script("CompleteJob", Refuse(status, "Command 'COMPLETE' rejected with code 'X_Y': the reason"))
    with pytest.raises(kind) as caught:
        await client.complete_job(1)
    assert type(caught.value) is kind
    assert "CompleteJob" in str(caught.value)
    assert "the reason" in str(caught.value)
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)


async def test_the_frame_of_a_rejection_is_taken_off(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CancelProcessInstance", Refuse(Code.NOT_FOUND, "Command 'CANCEL' rejected with code 'NOT_FOUND': Expected to cancel 7"))
    with pytest.raises(NotFound, match=r"^CancelProcessInstance: Expected to cancel 7$"):
        await client.cancel(7)


@pytest.mark.parametrize(
    "refusal", [Refuse(Code.NOT_FOUND), Refuse(Code.INVALID_ARGUMENT), Refuse(Code.INTERNAL), Refuse(Code.PERMISSION_DENIED)]
)
async def test_what_cannot_succeed_is_not_repeated(gateway: ScriptedGateway, client: Client, refusal: Refuse) -> None:
    gateway.script("CompleteJob", refusal)
    with pytest.raises(EngineError):
        await client.complete_job(1)
    assert len(gateway.sent("CompleteJob")) == 1


async def test_a_busy_engine_is_asked_again_whatever_the_command(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CreateProcessInstance", BUSY, BUSY, pb.CreateProcessInstanceResponse(processInstanceKey=5))
    assert (await client.start("p")).process_instance_key == 5
    assert len(gateway.sent("CreateProcessInstance")) == 3


async def test_repetition_ends(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CreateProcessInstance", BUSY)
    with pytest.raises(BackPressure):
        await client.start("p")
    assert len(gateway.sent("CreateProcessInstance")) == QUICK.attempts


@pytest.mark.parametrize("lost", [LOST, Refuse(Code.DEADLINE_EXCEEDED, "Time out between gateway and broker")])
async def test_an_instance_that_may_have_started_is_not_started_again(gateway: ScriptedGateway, client: Client, lost: Refuse) -> None:
    gateway.script("CreateProcessInstance", lost)
    with pytest.raises((EngineUnavailable, DeadlineExceeded)):
        await client.start("p")
    assert len(gateway.sent("CreateProcessInstance")) == 1


async def test_a_completion_whose_answer_is_lost_is_repeated(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CompleteJob", LOST, LOST, pb.CompleteJobResponse())
    await client.complete_job(1, {"ok": True})
    assert [request.variables for request in gateway.sent("CompleteJob")] == ['{"ok":true}'] * 3


@pytest.mark.parametrize("second", [Refuse(Code.NOT_FOUND), Refuse(Code.ALREADY_EXISTS)])
async def test_a_failure_is_reported_once(gateway: ScriptedGateway, client: Client, second: Refuse) -> None:
    gateway.script("FailJob", LOST, second)
    with pytest.raises(EngineUnavailable):
        await client.fail_job(1, retries=2, message="x", back_off=timedelta(seconds=1.5))
    assert gateway.sent("FailJob") == [pb.FailJobRequest(jobKey=1, retries=2, errorMessage="x", retryBackOff=1500, variables="{}")]


async def test_cancelled_by_an_attempt_whose_answer_was_lost(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CancelProcessInstance", LOST, Refuse(Code.NOT_FOUND))
    await client.cancel(7)
    gateway.script("CancelProcessInstance", BUSY, Refuse(Code.NOT_FOUND))
    with pytest.raises(NotFound):
        await client.cancel(7)


async def test_a_message_with_an_id_is_published_once(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("PublishMessage", LOST, Refuse(Code.ALREADY_EXISTS))
    assert (await client.publish_message("m", "k", message_id="once")).key is None
    gateway.script("PublishMessage", LOST, pb.PublishMessageResponse(key=3))
    with pytest.raises(EngineUnavailable):
        await client.publish_message("m", "k")
    gateway.script("PublishMessage", pb.PublishMessageResponse(key=3))
    assert (await client.publish_message("m", "k", {"a": 1}, ttl=timedelta(days=7))).key == 3
    assert gateway.sent("PublishMessage")[-1].timeToLive == 7 * 24 * 3600 * 1000


async def test_a_deadline_is_kept_and_said(gateway: ScriptedGateway) -> None:
    gateway.script("CreateProcessInstance", Wait())
    async with Client(settings=Settings(grpc_address=gateway.address, request_timeout=0.2), back_off=QUICK) as client:
        with pytest.raises(DeadlineExceeded, match="may have been executed"):
            await client.start("p")
    assert len(gateway.sent("CreateProcessInstance")) == 1


async def test_cancelling_the_caller_cancels_the_call(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("CompleteJob", Wait())
    task = asyncio.create_task(client.complete_job(1))
    async with asyncio.timeout(5):
        await gateway.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gateway.cancelled.wait()


async def test_nobody_there() -> None:
    async with Client("127.0.0.1:1", back_off=BackOff(attempts=2, first=0.01)) as client:
        with pytest.raises(EngineUnavailable, match=r"no engine answered at 127\.0\.0\.1:1"):
            await client.start("p")


async def test_an_engine_that_comes_up_late_is_found() -> None:
    async with scripted_gateway() as gone:
        address = gone.address
    async with Client(address, back_off=BackOff(attempts=30, first=0.1, longest=0.2)) as client:
        starting = asyncio.create_task(client.start("p"))
        await asyncio.sleep(0.3)
        async with scripted_gateway(address) as gateway:
            await asyncio.wait_for(starting, 10)
            assert len(gateway.sent("CreateProcessInstance")) == 1


async def test_a_message_too_large_is_not_back_pressure(gateway: ScriptedGateway, client: Client) -> None:
    with pytest.raises(InvalidArgument, match="too large"):
        await client.start("p", {"text": "x" * 9_000_000})
    assert gateway.calls == []


async def test_what_json_cannot_say_is_never_sent(gateway: ScriptedGateway, client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"variables\.claim\.amounts\[1\] is nan"):
        await client.start("p", {"claim": {"amounts": [1, float("nan")]}})
    with pytest.raises(InvalidArgument):
        await client.complete_job(1, ["no", "object"])
    assert gateway.calls == []


async def test_start_says_everything(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("Topology", pb.TopologyResponse(gatewayVersion="8.8.21"))
    gateway.script(
        "CreateProcessInstance",
        pb.CreateProcessInstanceResponse(
            processInstanceKey=9, processDefinitionKey=8, bpmnProcessId="claim", version=3, tags=["vip", "businessId:C-1"]
        ),
    )
    instance = await client.start("claim", {"a": "ü"}, version=3, business_id="C-1", tags=["vip"], tenant_id="t", start_before=["x"])
    assert (instance.process_instance_key, instance.process_definition_key, instance.version) == (9, 8, 3)
    assert instance.tags == ("vip", "businessId:C-1")
    assert instance.business_id == "C-1"
    request = gateway.sent("CreateProcessInstance")[0]
    assert (request.bpmnProcessId, request.version, request.variables, request.tenantId) == ("claim", 3, '{"a":"ü"}', "t")
    assert list(request.tags) == ["vip", "businessId:C-1"]
    assert [instruction.elementId for instruction in request.startInstructions] == ["x"]
    await client.start("claim", business_id="C-2")
    assert len(gateway.sent("Topology")) == 1


async def test_a_newer_engine_gets_the_business_id_by_rest(gateway: ScriptedGateway) -> None:
    gateway.script("Topology", pb.TopologyResponse(gatewayVersion="8.9.1"))
    answer: dict[str, Any] = {
        "processInstanceKey": "9",
        "processDefinitionKey": "8",
        "processDefinitionId": "claim",
        "processDefinitionVersion": 3,
        "variables": {},
    }
    async with scripted_rest() as rest, Client(gateway.address, rest.address) as client:
        rest.script("POST /v2/process-instances", Reply(200, answer))
        instance = await client.start("claim", {"a": 1}, business_id="Ü 1")
        assert (instance.process_instance_key, instance.business_id, instance.tags) == (9, "Ü 1", ())
        assert rest.asked[0].body["businessId"] == "Ü 1"
        rest.script("POST /v2/process-instances", Reply(200, {**answer, "variables": {"b": 2}}))
        result = await client.start_with_result("claim", business_id="C-1", timeout=timedelta(seconds=3), fetch_variables=["b"])
        assert result.variables == {"b": 2}
        assert (rest.asked[1].body["awaitCompletion"], rest.asked[1].body["requestTimeout"]) == (True, 3000)
        assert rest.asked[1].body["tags"] == ["businessId:C-1"]


async def test_start_with_result(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script(
        "CreateProcessInstanceWithResult", pb.CreateProcessInstanceWithResultResponse(processInstanceKey=9, variables='{"b":[1,null]}')
    )
    result = await client.start_with_result("p", timeout=timedelta(seconds=2), fetch_variables=["b"])
    assert result.variables == {"b": [1, None]}
    request = gateway.sent("CreateProcessInstanceWithResult")[0]
    assert (request.requestTimeout, list(request.fetchVariables), request.request.version) == (2000, ["b"], -1)


async def test_one_configured_tenant_is_meant(gateway: ScriptedGateway) -> None:
    async with Client(settings=Settings(grpc_address=gateway.address, tenant_ids=("only",))) as client:
        await client.start("p")
        await client.activate_jobs("t", worker="w", timeout=timedelta(seconds=1), max_jobs=1)
    assert gateway.sent("CreateProcessInstance")[0].tenantId == "only"
    assert list(gateway.sent("ActivateJobs")[0].tenantIds) == ["only"]


async def test_jobs_that_came_before_the_break_are_kept(gateway: ScriptedGateway, client: Client) -> None:
    batch = pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=1), pb.ActivatedJob(key=2)])
    gateway.script("ActivateJobs", Refuse(Code.UNAVAILABLE, "gone", after=(batch,)))
    jobs = await client.activate_jobs(
        "t", worker="w", timeout=timedelta(seconds=30), max_jobs=8, fetch_variables=["a"], request_timeout=timedelta(seconds=-1)
    )
    assert [job.key for job in jobs] == [1, 2]
    request = gateway.sent("ActivateJobs")[0]
    assert (request.timeout, request.maxJobsToActivate, request.requestTimeout) == (30_000, 8, -1000)
    gateway.script("ActivateJobs", BUSY)
    with pytest.raises(BackPressure):
        await client.activate_jobs("t", worker="w", timeout=timedelta(seconds=30), max_jobs=8)
    assert len(gateway.sent("ActivateJobs")) == 2


async def test_pushed_jobs_and_the_end_of_the_stream(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("StreamActivatedJobs", (pb.ActivatedJob(key=1), pb.ActivatedJob(key=2)))
    jobs = client.stream_jobs("t", worker="w", timeout=timedelta(seconds=30))
    assert [(await anext(jobs)).key, (await anext(jobs)).key] == [1, 2]
    await jobs.aclose()
    await asyncio.wait_for(gateway.cancelled.wait(), 5)
    gateway.script("StreamActivatedJobs", Refuse(Code.UNAVAILABLE, "gone"))
    with pytest.raises(EngineUnavailable):
        await anext(client.stream_jobs("t", worker="w", timeout=timedelta(seconds=30)))


async def test_deploy_sends_all_in_one_call(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script(
        "DeployResource",
        LOST,
        pb.DeployResourceResponse(
            key=1,
            deployments=[
                pb.Deployment(process=pb.ProcessMetadata(bpmnProcessId="a", version=2, processDefinitionKey=11, resourceName="a.bpmn")),
                pb.Deployment(decision=pb.DecisionMetadata(dmnDecisionId="d", decisionKey=12)),
                pb.Deployment(decisionRequirements=pb.DecisionRequirementsMetadata(dmnDecisionRequirementsId="r")),
                pb.Deployment(form=pb.FormMetadata(formId="f", formKey=13)),
            ],
        ),
    )
    done = await client.deploy(Resource("a.bpmn", BPMN.format("a").encode()), Resource("f.form", b'{"id":"f","components":[]}'))
    assert (done.key, done.processes[0].process_definition_key, done.decisions[0].decision_key, done.forms[0].form_key) == (1, 11, 12, 13)
    assert done.decision_requirements[0].decision_requirements_id == "r"
    assert [resource.name for resource in gateway.sent("DeployResource")[1].resources] == ["a.bpmn", "f.form"]


async def test_a_refused_deployment_names_file_and_element(gateway: ScriptedGateway, client: Client) -> None:
    text = (
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but encountered the following errors:\n"
        "'a.bpmn': - Element: pay > extensionElements > taskDefinition\n"
        '    - ERROR: failed to parse expression \'foo(\': Expected ("and" | "or")\n'
    )
    gateway.script("DeployResource", Refuse(Code.INVALID_ARGUMENT, text))
    with pytest.raises(BadResource) as caught:
        await client.deploy(Resource("a.bpmn", BPMN.format("a").encode()), Resource("b.bpmn", BPMN.format("b").encode()))
    assert (caught.value.resource, caught.value.element) == ("a.bpmn", "pay")
    assert "failed to parse expression 'foo('" in caught.value.reason


async def test_decisions(gateway: ScriptedGateway, client: Client) -> None:
    rule = pb.MatchedDecisionRule(
        ruleId="r", ruleIndex=1, evaluatedOutputs=[pb.EvaluatedDecisionOutput(outputName="score", outputValue="7")]
    )
    steps = [
        pb.EvaluatedDecision(
            decisionId="d",
            decisionOutput="7",
            matchedRules=[rule],
            evaluatedInputs=[pb.EvaluatedDecisionInput(inputName="a", inputValue="1")],
        )
    ]
    gateway.script("EvaluateDecision", pb.EvaluateDecisionResponse(decisionId="d", decisionOutput='{"score":7}', evaluatedDecisions=steps))
    result = await client.evaluate_decision("d", {"a": 1})
    assert result.output == {"score": 7}
    assert (result.evaluated[0].inputs, result.evaluated[0].matched_rules[0].outputs) == ({"a": 1}, {"score": 7})
    gateway.script("EvaluateDecision", pb.EvaluateDecisionResponse(failedDecisionId="d2", failureMessage="no variable 'x'"))
    with pytest.raises(InvalidArgument, match="decision 'd2' could not be evaluated: no variable 'x'"):
        await client.evaluate_decision("d")


async def test_the_other_commands_say_what_they_are_told(gateway: ScriptedGateway, client: Client) -> None:
    await client.set_variables(1, {"a": 1}, local=True)
    await client.resolve_incident(2)
    await client.update_job_retries(3, 4)
    await client.update_job_timeout(3, timedelta(minutes=1))
    await client.throw_error(3, "NO_COVER", "none", {"x": 1})
    await client.delete_resource(5)
    await client.modify(6, activate=["a", Activate("b", {"v": 1}, "scope")], terminate=[7])
    await client.migrate(6, 8, {"old": "new"})
    gateway.script("BroadcastSignal", pb.BroadcastSignalResponse(key=4))
    assert (await client.broadcast_signal("s", {"b": 2})).key == 4
    assert gateway.sent("SetVariables") == [pb.SetVariablesRequest(elementInstanceKey=1, variables='{"a":1}', local=True)]
    assert gateway.sent("UpdateJobRetries") == [pb.UpdateJobRetriesRequest(jobKey=3, retries=4)]
    assert gateway.sent("UpdateJobTimeout") == [pb.UpdateJobTimeoutRequest(jobKey=3, timeout=60_000)]
    assert gateway.sent("ThrowError") == [pb.ThrowErrorRequest(jobKey=3, errorCode="NO_COVER", errorMessage="none", variables='{"x":1}')]
    first, second = gateway.sent("ModifyProcessInstance")[0].activateInstructions
    assert (first.elementId, len(first.variableInstructions), first.ancestorElementInstanceKey) == ("a", 0, -1)
    assert (second.variableInstructions[0].variables, second.variableInstructions[0].scopeId) == ('{"v":1}', "scope")
    plan = gateway.sent("MigrateProcessInstance")[0].migrationPlan
    assert (plan.targetProcessDefinitionKey, plan.mappingInstructions[0].targetElementId) == (8, "new")
    with pytest.raises(InvalidArgument):
        await client.modify(6)


async def test_topology_tolerates_what_it_does_not_know(gateway: ScriptedGateway, client: Client) -> None:
    broker = pb.BrokerInfo.FromString(
        pb.BrokerInfo(nodeId=0, host="h", port=1, version="8.8.21").SerializeToString() + b"\x22\x06\x08\x01\x10\x63\x18\x01"
    )
    gateway.script("Topology", pb.TopologyResponse(gatewayVersion="8.8.21", clusterSize=1, partitionsCount=1, brokers=[broker]))
    partition = (await client.topology()).brokers[0].partitions[0]
    assert (partition.id, partition.role, partition.health) == (1, "99", "UNHEALTHY")


async def test_user_name_and_password_travel_with_each_call(gateway: ScriptedGateway) -> None:
    settings = Settings(grpc_address=gateway.address, basic_username="demo", basic_password=SecretStr("demo"))
    async with Client(settings=settings) as client:
        await client.topology()
        await client.activate_jobs("t", worker="w", timeout=timedelta(seconds=1), max_jobs=1)
    assert [one["authorization"] for one in gateway.metadata] == ["Basic ZGVtbzpkZW1v"] * 2


async def test_a_token_travels_on_a_plain_channel_and_is_asked_for_once(gateway: ScriptedGateway) -> None:
    async with scripted_rest() as provider:
        provider.script("POST /token", Reply(200, {"access_token": "T", "expires_in": 300}))
        settings = Settings(
            grpc_address=gateway.address,
            client_id="me",
            client_secret=SecretStr("s"),
            oauth_url=f"{provider.address}/token",
            token_audience="aud",
        )
        async with Client(settings=settings) as client:
            await asyncio.gather(*(client.topology() for _ in range(5)))
        assert [one["authorization"] for one in gateway.metadata] == ["Bearer T"] * 5
        assert len(provider.asked) == 1
        assert b"grant_type=client_credentials" in provider.asked[0].body
        assert b"audience=aud" in provider.asked[0].body
        provider.script("POST /token", Reply(401, {"error": "invalid_client"}))
        async with Client(settings=settings, back_off=QUICK) as client:
            with pytest.raises(Unauthenticated, match="CAMUNDA_CLIENT_SECRET"):
                await client.topology()
        provider.script("POST /token", Reply(503), Reply(200, {"access_token": "U"}))
        async with Client(settings=settings, back_off=QUICK) as client:
            await client.start("p")
        assert gateway.metadata[-1]["authorization"] == "Bearer U"


async def test_an_engine_without_a_rest_api(gateway: ScriptedGateway) -> None:
    async with Client(gateway.address, "") as client:
        await client.topology()
        with pytest.raises(NotSupported, match="rest_address"):
            await client.search_user_tasks()


async def test_a_given_channel_stays_open(gateway: ScriptedGateway) -> None:
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        async with Client(channel=channel) as client:
            await client.topology()
        async with Client(channel=channel) as client:
            await client.topology()


async def test_a_client_is_used_inside_its_context(gateway: ScriptedGateway) -> None:
    client = Client(gateway.address)
    with pytest.raises(ConfigurationError, match="async with"):
        await client.topology()
    async with client:
        await client.topology()
        with pytest.raises(ConfigurationError, match="open already"):
            await client.__aenter__()
    with pytest.raises(ConfigurationError, match="async with"):
        await client.search_user_tasks()


@pytest.mark.parametrize(("version", "warnings"), [("8.6.0", 1), ("8.8.21", 0), ("8.10.6", 0)])
async def test_an_engine_that_drops_tags_is_told_of_once(gateway: ScriptedGateway, version: str, warnings: int) -> None:
    gateway.script("Topology", pb.TopologyResponse(gatewayVersion=version))
    gateway.script("CreateProcessInstance", pb.CreateProcessInstanceResponse(processInstanceKey=9))
    with structlog.testing.capture_logs() as logs:
        async with Client(settings=Settings(grpc_address=gateway.address, rest_address="")) as client:
            await client.start("claim")
            assert gateway.sent("Topology") == []
            for _ in range(3):
                await client.start("claim", tags=["vip"])
    assert [line["event"] for line in logs].count("tags.dropped") == warnings
    assert len(gateway.sent("Topology")) == 1
