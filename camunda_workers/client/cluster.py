"""Commands about the cluster itself: how it is made up, who we are to it, what it is licensed for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, cast

from camunda_workers.client import reading
from camunda_workers.client.commands import Commands
from camunda_workers.client.models import Caller, Licence
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.results import Topology
from camunda_workers.client.retry import Repeat
from camunda_workers.errors import EngineError, EngineFailure, EngineUnavailable, NotSupported


class ClusterCommands(Commands):
    """Ask the cluster about itself."""

    _version: str | None = None

    async def topology(self, over: Literal["auto", "grpc", "rest"] = "auto") -> Topology:
        """The cluster as its gateway sees it.

        Args:
            over: ``auto`` asks over gRPC, and over REST when gRPC is closed and there is a REST address.
        """
        if over == "rest":
            return await self._topology_over_rest(Repeat.ALWAYS)
        if over == "auto" and self.settings.rest_address:
            try:
                return await self._topology_over_grpc(Repeat.NEVER)
            except (EngineUnavailable, NotSupported):
                # One look at the other door before knocking at the first for longer.
                with suppress(EngineError):
                    return await self._topology_over_rest(Repeat.NEVER)
        return await self._topology_over_grpc(Repeat.ALWAYS)

    async def _topology_over_grpc(self, repeat: Repeat) -> Topology:
        answer = await self._gateway().call("Topology", pb.TopologyRequest(), pb.TopologyResponse, repeat=repeat)
        assert answer is not None
        self._version = answer.gatewayVersion
        return reading.topology(answer)

    async def _topology_over_rest(self, repeat: Repeat) -> Topology:
        answer = await self._rest().call("GET", "/topology", repeat=repeat)
        try:
            topology = reading.topology_from_rest(cast("Mapping[str, Any]", answer))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise EngineFailure(f"GET /topology: the engine's answer cannot be read: {error}") from error
        self._version = topology.gateway_version
        return topology

    async def whoami(self) -> Caller:
        """Who the cluster takes us for.

        Raises:
            NotSupported: a cluster without authentication, or one older than 8.8.
        """
        return Caller.model_validate(await self._rest().call("GET", "/authentication/me", repeat=Repeat.ALWAYS))

    async def licence(self) -> Licence:
        """What the cluster says about its licence."""
        return Licence.model_validate(await self._rest().call("GET", "/license", repeat=Repeat.ALWAYS))
