"""Tokens expire, rights are missing, clocks are wrong (rows 12, 13 of the fault list)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from pydantic import SecretStr

from camunda_workers import Client, Router, WorkerRunner, worker
from camunda_workers.client import BackOff
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import eventually
from tests.support.scripted_engine import Refuse, Reply, ScriptedGateway, Wait, scripted_gateway, scripted_rest

QUICK = BackOff(attempts=2, first=0.01, longest=0.05)
POLLING = Polling(request_timeout=timedelta(seconds=2), back_off=QUICK, streaming=False)


def jobs(job_type: str, *keys: int, **fields: Any) -> tuple[pb.ActivateJobsResponse]:
    made = [pb.ActivatedJob(key=key, type=job_type, retries=3, variables="{}", customHeaders="{}", **fields) for key in keys]
    return (pb.ActivateJobsResponse(jobs=made),)


@worker("allowed")
async def allowed() -> None:
    pass


@worker("denied")
async def denied() -> None:
    pass


class ByType(ScriptedGateway):
    """Refuses one job type."""

    async def stream(self, name: str, request: Any, context: Any) -> AsyncIterator[Message]:
        if getattr(request, "type", "") == "denied":
            self.calls.append((f"{name} denied", request))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no right to read jobs of this type")
        async for message in super().stream(name, request, context):
            yield message


async def test_12_the_denial_of_one_type_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.scripted_engine.ScriptedGateway", ByType)
    async with scripted_gateway() as gateway:
        gateway.script("ActivateJobs", jobs("allowed", 1, 2), jobs("allowed", 3), Wait())
        async with Client(settings=Settings(grpc_address=gateway.address), back_off=QUICK) as client:
            async with WorkerRunner(client, [Router(allowed, denied)], polling=POLLING) as runner:
                await eventually(lambda: runner.stats["allowed"].completed == 3)
                # And the denied one goes on asking: rights are given while workers run.
                await eventually(lambda: runner.stats["denied"].failed_polls >= 3)
                assert runner.stats["allowed"].failed_polls == 0


async def test_12_a_token_is_attached_when_a_call_is_sent_and_renewed_before_it_expires() -> None:
    async with scripted_gateway() as gateway, scripted_rest() as identity:
        made = 0

        def token(asked: Any) -> Reply:
            nonlocal made
            made += 1
            # The second time the identity provider is away; that costs a wait and nothing else.
            return Reply(503) if made == 2 else Reply(body={"access_token": f"token-{made}", "expires_in": 0.4})

        identity.script("POST /token", token)
        gateway.script("ActivateJobs", *(jobs("allowed", key) for key in range(1, 200)))
        settings = Settings(
            grpc_address=gateway.address, client_id="me", client_secret=SecretStr("secret"), oauth_url=f"{identity.address}/token"
        )
        async with Client(settings=settings, back_off=QUICK) as client:
            async with WorkerRunner(client, [Router(allowed)], polling=POLLING) as runner:
                await eventually(lambda: made >= 5 and runner.stats["allowed"].completed >= 5, timeout=15)
    seen = [values.get("authorization") for values in gateway.metadata]
    assert all(value and value.startswith("Bearer token-") for value in seen)
    assert len(set(seen)) >= 3
    assert "Bearer token-2" not in seen


async def test_12_expired_and_refused_tokens_are_survived() -> None:
    async with scripted_gateway() as gateway:
        refused = [Refuse(code, "no") for code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED) for _ in range(3)]
        gateway.script("ActivateJobs", *refused, jobs("allowed", 1), Wait())
        gateway.script("CompleteJob", *refused, pb.CompleteJobResponse())
        async with Client(settings=Settings(grpc_address=gateway.address), back_off=QUICK) as client:
            async with WorkerRunner(client, [Router(allowed)], polling=POLLING) as runner:
                await eventually(lambda: runner.stats["allowed"].completed == 1, timeout=15)
    assert gateway.sent("FailJob") == []


@pytest.mark.parametrize("hours", [-1, 1])
async def test_13_a_wrong_clock_discards_nothing(hours: int) -> None:
    """The engine's deadline is in the engine's time, which is an hour off this machine's: it lies far in the past, or in the future."""
    async with scripted_gateway() as gateway:
        deadline = int((time.time() + 60 + hours * 3600) * 1000)
        gateway.script("ActivateJobs", jobs("allowed", *range(1, 6), deadline=deadline), Wait())
        gateway.script("CompleteJob", Refuse(grpc.StatusCode.UNAVAILABLE), pb.CompleteJobResponse())
        async with Client(settings=Settings(grpc_address=gateway.address), back_off=QUICK) as client:
            async with WorkerRunner(client, [Router(allowed)], polling=POLLING) as runner:
                await eventually(lambda: runner.stats["allowed"].completed == 5)
                stats = runner.stats["allowed"]
                assert (stats.late, stats.expired, stats.unreported) == (0, 0, 0)
