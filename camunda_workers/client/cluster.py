"""Commands about the cluster itself: how it is made up, who we are to it, what it is licensed for."""

from __future__ import annotations

from collections.abc import Mapping
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
            return await self._topology_over_rest()
        # With a second way there is no point in knocking at the first for long.
        other_way = over == "auto" and bool(self.settings.rest_address)
        try:
            answer = await self._gateway().call(
                "Topology", pb.TopologyRequest(), pb.TopologyResponse, repeat=Repeat.NEVER if other_way else Repeat.ALWAYS
            )
        except (EngineUnavailable, NotSupported) as closed:
            if not other_way:
                raise
            try:
                return await self._topology_over_rest()
            except EngineError:
                # gRPC was asked for first, so what is wrong with it is what matters.
                raise closed from None
        assert answer is not None
        self._version = answer.gatewayVersion
        return reading.topology(answer)

    async def _topology_over_rest(self) -> Topology:
        answer = await self._rest().call("GET", "/topology", repeat=Repeat.ALWAYS)
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
