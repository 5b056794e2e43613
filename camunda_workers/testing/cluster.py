"""The same tests on a cluster that somebody else runs, by its address: each test sees and cleans up its own process instances."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from camunda_workers.client import Client, ProcessInstance
from camunda_workers.errors import CamundaWorkersError, ConfigurationError, EngineError, EngineUnavailable, NotSupported
from camunda_workers.settings import Settings
from camunda_workers.testing.cluster_records import ClusterRecords, SearchClient
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.remote import RemoteGround

SILENCE = 1.0
"""Seconds without news after which a cluster is taken for idle: its searches are behind its engine, by how much it does not say."""


class ClusterGround(RemoteGround):
    """One test's share of a cluster.

    Args:
        address: the base of its REST API. Its gRPC address and credentials come from the environment, as for any other client.
        settings: these, when they are not to be read from the environment.
    """

    def __init__(self, address: str, settings: Settings | None = None) -> None:
        super().__init__(SILENCE)
        self.kind = address
        self._settings = settings or Settings()
        self._client: SearchClient | None = None
        self._records: ClusterRecords | None = None
        self._journal: Journal | None = None
        self._ahead = timedelta(0)

    def fresh(self) -> ClusterGround:
        """Another share of the same cluster."""
        return ClusterGround(self.kind, self._settings)

    async def start(self) -> None:
        """Connect, and see that the cluster can be searched.

        Raises:
            ConfigurationError: nothing answers there, or it cannot be searched.
        """
        try:
            self._client = await self._stack.enter_async_context(SearchClient(None, self.kind, settings=self._settings))
            try:
                await self._client.ask("POST", "/process-instances/search", {"page": {"limit": 1}})
            except EngineUnavailable as error:
                raise ConfigurationError(f"--camunda-engine={self.kind}: no REST API answers there: {error}") from error
            except EngineError as error:
                raise ConfigurationError(
                    f"--camunda-engine={self.kind}: tests read a cluster by its searches (Camunda 8.8 and later, with secondary storage), "
                    f"and this one refuses: {error}"
                ) from error
            self._records = ClusterRecords(self._client)
            self._journal = Journal(self._records, self._horizon.apply)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Cancel what still runs, let the clock go again, and close the client."""
        client, self._client = self._client, None
        if client is not None and self._journal is not None:
            await self._cancel_all(client, self._journal)
            if self._ahead:
                with contextlib.suppress(CamundaWorkersError):
                    await client.ask("POST", "/clock/reset")
        await self._stack.aclose()

    @property
    def client(self) -> Client:
        """An open client."""
        return self._open()

    def _open(self) -> SearchClient:
        if self._client is None:
            raise EngineUnavailable("the test's client is not open")
        self._asked()
        return self._client

    @property
    def journal(self) -> Journal:
        """What the cluster says of this test's process instances."""
        assert self._journal is not None
        return self._journal

    def now(self) -> datetime:
        """The machine's time, and as much as this test moved it forward."""
        return datetime.now(UTC) + self._ahead

    def healthy(self) -> bool:
        """Whether it was there when the test began; a cluster that goes away is said by the next step."""
        return self._client is not None

    async def advance(self, by: timedelta, timeout: float) -> None:
        """Pin the cluster's clock further on, where it lets itself be moved.

        Raises:
            NotSupported: it does not; that takes a cluster whose clock is controlled.
        """
        self._ahead += by
        try:
            await self._open().ask("PUT", "/clock", {"timestamp": int(self.now().timestamp() * 1000)})
        except EngineError as error:
            self._ahead -= by
            raise NotSupported(
                f"the clock of {self.kind} cannot be moved ({error}): start the cluster with zeebe.clock.controlled=true, "
                "or leave tests that move time to the embedded engine"
            ) from error
        end = time.monotonic() + timeout
        while not await self.idle() and time.monotonic() < end:
            await self.journal.wait(SILENCE / 4)
            await self.journal.catch_up()

    @property
    def _last_at(self) -> float:
        return self._records.last_at if self._records is not None else 0.0

    async def create(
        self, process_id: str, variables: object, *, version: int, business_id: str | None, tags: Sequence[str],
        start_before: Sequence[str], terminate_after: Sequence[str],
    ) -> ProcessInstance:  # fmt: skip
        """Start a process instance, and follow it from now on."""
        if terminate_after:
            raise NotSupported("terminate_after works on the embedded engine only: the gateway's protocol has no word for it here")
        made = await self.client.start(
            process_id, variables, version=version, business_id=business_id, tags=tags, start_before=start_before
        )
        assert self._records is not None
        self._records.track(made.process_instance_key)
        return made

    async def correlate(self, name: str, correlation_key: str, variables: Mapping[str, Any]) -> None:
        """Correlate a message now."""
        body = {"name": name, "correlationKey": correlation_key, "variables": dict(variables)}
        await self._open().ask("POST", "/messages/correlation", body)

    async def rest_address(self) -> str:
        """The base of its REST API."""
        return self.kind
