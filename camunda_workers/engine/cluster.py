"""A Camunda cluster that somebody else runs: self-managed or SaaS, 8.8 to 8.10; older ones as far as they go.

Addresses and credentials come from the settings, under Camunda's own names. What a cluster can do is known in two ways: by its version
(`features_of`), and, where a version does not tell, by trying (`camunda_workers.engine.cluster_check`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self

from camunda_workers.client.client import Client
from camunda_workers.client.results import Topology
from camunda_workers.clock import SystemClock
from camunda_workers.errors import EngineError, EngineUnavailable
from camunda_workers.settings import ConnectionSettings, Settings

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


class Feature(StrEnum):
    """What a cluster has had since some version."""

    STREAMING = "job streaming"
    REST_JOBS = "jobs over REST"
    SEARCH = "search over REST (user tasks, instances, incidents)"
    TAGS = "tags on process instances"
    TASK_LISTENERS = "user task listeners"
    AD_HOC_RESULTS = "results of ad-hoc sub-processes"
    BUSINESS_ID = "business ids of its own"
    LEASES = "job leases"
    JOB_PRIORITY = "job priorities"


SINCE: Mapping[Feature, tuple[int, int]] = {
    Feature.STREAMING: (8, 4),
    Feature.REST_JOBS: (8, 6),
    Feature.SEARCH: (8, 8),
    Feature.TAGS: (8, 8),
    Feature.TASK_LISTENERS: (8, 8),
    Feature.AD_HOC_RESULTS: (8, 8),
    Feature.BUSINESS_ID: (8, 9),
    Feature.LEASES: (8, 10),
    Feature.JOB_PRIORITY: (8, 10),
}
"""The first version with each feature (Camunda's release notes)."""

OLDEST = (8, 8)
"""The oldest version that is tested; older ones are best effort."""

NEWEST = (8, 10)
"""The newest version whose protocol was read; newer ones add what is not known here, which does no harm."""


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of a version such as ``8.10.2`` or ``8.9.0-alpha3``; ``None`` when it cannot be read."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2])) if found else None


def features_of(version: str) -> Mapping[Feature, bool]:
    """What a cluster of this version has; a version that cannot be read counts as the newest.

    Args:
        version: as the topology says it. In a cluster that is being upgraded the oldest broker counts, see `ClusterEngine.version`.
    """
    known = version_of(version) or NEWEST
    return {feature: known >= since for feature, since in SINCE.items()}


def oldest_version(topology: Topology) -> str:
    """The oldest version in a cluster: during a rolling upgrade its gateway and brokers differ, and a job may come from any of them."""
    versions = [version for version in (topology.gateway_version, *(broker.version for broker in topology.brokers)) if version]
    return min(versions, key=lambda version: version_of(version) or NEWEST, default="")


def without_leader(topology: Topology) -> list[int]:
    """Partitions that nobody leads, or whose leader is not healthy: what runs there stands still."""
    led = {
        partition.id
        for broker in topology.brokers
        for partition in broker.partitions
        if partition.role == "LEADER" and partition.health == "HEALTHY"
    }
    return [number for number in range(1, topology.partitions_count + 1) if number not in led]


class ClusterEngine:
    """A running cluster as an engine: an async context manager that connects and says what it found.

    ::

        async with ClusterEngine() as engine:
            print(engine.version, engine.features[Feature.BUSINESS_ID])
            await run_workers(engine.client, [router])

    The other engines are started by their context managers; this one only connects, and leaves the cluster as it was. Its time is the
    machine's: nobody moves a cluster's clock.

    Args:
        grpc_address: as in `Client`.
        rest_address: as in `Client`.
        settings: addresses and credentials; read from the environment when not given.
    """

    def __init__(
        self, grpc_address: str | None = None, rest_address: str | None = None, *, settings: ConnectionSettings | None = None
    ) -> None:
        self.client = Client(grpc_address, rest_address, settings=settings or Settings())
        self.clock = SystemClock()
        self._topology: Topology | None = None

    @property
    def grpc_address(self) -> str:
        """Where its gateway is."""
        return self.client.settings.grpc_address

    @property
    def rest_address(self) -> str:
        """Where its REST API is; empty when it has none for us."""
        return self.client.settings.rest_address

    @property
    def topology(self) -> Topology:
        """The cluster as it was when it was connected to or last asked (`refresh`)."""
        if self._topology is None:
            raise EngineUnavailable("the cluster is not connected: use it inside 'async with ClusterEngine() as engine'")
        return self._topology

    @property
    def version(self) -> str:
        """The oldest version in the cluster."""
        return oldest_version(self.topology)

    @property
    def features(self) -> Mapping[Feature, bool]:
        """What the cluster has, by its version."""
        return features_of(self.version)

    async def refresh(self) -> Topology:
        """Ask for the topology anew, over gRPC or, where that is closed, over REST.

        Raises:
            EngineError: the cluster does not answer, or not us.
        """
        self._topology = await self.client.topology()
        return self._topology

    async def healthy(self) -> bool:
        """Whether it answers and each partition has a healthy leader."""
        try:
            return not without_leader(await self.refresh())
        except EngineError:
            return False

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        try:
            await self.refresh()
        except BaseException:
            await self.client.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.client.__aexit__(kind, error, trace)
