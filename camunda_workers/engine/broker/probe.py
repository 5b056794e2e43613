"""Whether a broker is ready for work: asked of its gateway, never guessed from time."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import grpc.aio
import httpx

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub

PATIENCE = 2.0
"""Seconds one question may take."""
# A channel waits longer after each refusal; here nothing answers for the first seconds, and then at once is wanted.
_EAGER = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200))


class Probe:
    """Asks one broker how it is; an async context manager.

    Args:
        grpc_address: ``host:port`` of its gateway.
        doors: addresses of web pages that it must serve.
    """

    def __init__(self, grpc_address: str, *doors: str) -> None:
        self._grpc_address = grpc_address
        self._doors = doors

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._grpc_address, options=(*_EAGER, ("grpc.enable_http_proxy", 0)))
        self._http = httpx.AsyncClient(trust_env=False, timeout=PATIENCE)  # loopback goes through no proxy
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()
        await self._channel.close()

    async def problem(self) -> str:
        """Why the broker cannot work now; empty when it can."""
        try:
            topology: pb.TopologyResponse = await GatewayStub(self._channel).Topology(pb.TopologyRequest(), timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            return f"its gateway does not answer ({error.code().name})"
        problem = partitions_problem(topology)
        for door in () if problem else self._doors:
            try:
                answer = await self._http.get(door)
            except httpx.HTTPError as error:
                return f"{door} does not answer ({type(error).__name__})"
            if answer.is_server_error:
                return f"{door} answers {answer.status_code}"
        return problem


def partitions_problem(topology: pb.TopologyResponse) -> str:
    """Why not every partition has a healthy leader; empty when each one has."""
    led = {
        partition.partitionId
        for broker in topology.brokers
        for partition in broker.partitions
        if partition.role == pb.Partition.LEADER and partition.health == pb.Partition.HEALTHY
    }
    missing = [str(number) for number in range(1, max(topology.partitionsCount, 1) + 1) if number not in led]
    return f"partition {', '.join(missing)} has no healthy leader" if missing else ""
