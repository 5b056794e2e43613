"""The same tests on a real broker: started once for a run, each test among its own process instances."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from camunda_workers.client import Client, ProcessInstance
from camunda_workers.engine.broker.engine import BrokerEngine
from camunda_workers.errors import CamundaWorkersError, EngineUnavailable, NotSupported
from camunda_workers.settings import Settings
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.remote import RemoteGround
from camunda_workers.testing.sink import RecordStore, Sink

T = TypeVar("T")

SILENCE = 0.5
"""Seconds without a record after which the broker is taken for idle: it has no way to say so."""

_INDEXED = (
    "jobBatch",
    "timer",
    "messageSubscription",
    "processMessageSubscription",
    "signalSubscription",
    "userTask",
    "decisionEvaluation",
    "variable",
)
_EXPORTER_READY = 30.0
_LEAST_STEP = timedelta(milliseconds=300)


class BrokerSession:
    """One broker for a whole run, in a thread with an event loop of its own: tests come and go with theirs.

    Args:
        settings: where its distribution is.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-broker", daemon=True)
        self._folder = tempfile.TemporaryDirectory(prefix="camunda-workers-broker-", ignore_cleanup_errors=True)
        self._sink = Sink()
        self._end: Future[None] | None = None
        exporter = "zeebe.broker.exporters.records"
        self.engine = BrokerEngine(
            Path(self._folder.name),
            controlled_clock=True,
            settings=self._settings,
            properties={
                f"{exporter}.className": "io.camunda.zeebe.exporter.ElasticsearchExporter",
                f"{exporter}.args.url": self._sink.address,
                f"{exporter}.args.bulk.delay": 1,
                f"{exporter}.args.bulk.size": 1,
                **{f"{exporter}.args.index.{name}": True for name in _INDEXED},
            },
        )

    @property
    def store(self) -> RecordStore:
        """Every record since the broker's start."""
        return self._sink.store

    def start(self) -> None:
        """Start it; takes about ten seconds."""
        self._thread.start()
        try:
            self._wait(self.engine.start())
            self._end = asyncio.run_coroutine_threadsafe(self.engine.wait(), self._loop)
            self._wait(self._first_record())
        except BaseException:
            self.stop()
            raise

    async def _first_record(self) -> None:
        """Wait for the exporter, which takes two seconds to come to itself; after that a record is here within a tenth."""
        async with Client(self.engine.grpc_address, "") as client, asyncio.timeout(_EXPORTER_READY):
            await client.publish_message("camunda-workers-test-begins", ttl=timedelta(0))
            while not await self.store.wait(0, 1.0):
                pass

    def stop(self) -> None:
        """Stop it and remove its data. Safe to call twice."""
        if self._loop.is_closed():
            return
        if self._end is not None:
            self._end.cancel()
        with contextlib.suppress(CamundaWorkersError):
            self._wait(self.engine.kill())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._sink.stop()
        self._folder.cleanup()

    def check(self) -> None:
        """Raise what the broker ended with, if it did by itself."""
        if self._end is not None and self._end.done() and not self._end.cancelled():
            raise EngineUnavailable(f"{self._end.exception()}")

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await something of the broker's, in its loop, from another one."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class BrokerGround(RemoteGround):
    """One test's share of a broker: its journal begins where the test does, and its instances are cancelled when it ends."""

    kind = "broker"

    def __init__(self, session: BrokerSession) -> None:
        super().__init__(SILENCE)
        self._session = session
        self._client: Client | None = None
        self._journal = Journal(session.store, self._horizon.apply)

    def fresh(self) -> BrokerGround:
        """Another share of the same broker."""
        return BrokerGround(self._session)

    async def start(self) -> None:
        """Open a client, and begin behind what other tests did."""
        engine = self._session.engine
        self._session.check()
        try:
            self._client = await self._stack.enter_async_context(Client(engine.grpc_address, engine.rest_address))
            await self._quiet(time.monotonic() + _EXPORTER_READY)
            position = self._session.store.position
            for line in self._session.store.definitions(position):
                self._journal.take(line)
            self._journal.position = position
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Cancel what still runs, and close the client."""
        client, self._client = self._client, None
        if client is not None:
            await self._cancel_all(client, self._journal)
        await self._stack.aclose()

    @property
    def client(self) -> Client:
        """An open client."""
        if self._client is None:
            raise EngineUnavailable("the test's engine has not been started")
        self._asked()
        return self._client

    @property
    def journal(self) -> Journal:
        """What the records since the test's beginning say."""
        return self._journal

    def now(self) -> datetime:
        """The broker's time."""
        return self._session.engine.clock.now()

    def healthy(self) -> bool:
        """Whether its process runs."""
        try:
            self._session.check()
            return self._session.engine.pid > 0
        except EngineUnavailable:
            return False

    async def advance(self, by: timedelta, timeout: float) -> None:
        """Move its time forward, due time by due time."""
        clock = self._session.engine.clock
        target = self.now() + by
        end = time.monotonic() + timeout
        while (due := self._horizon.next_due()) is not None and due / 1000 <= target.timestamp() and time.monotonic() < end:
            left = timedelta(seconds=due / 1000) - timedelta(seconds=self.now().timestamp())
            await self._session.run(clock.advance(max(left + _LEAST_STEP, _LEAST_STEP)))
            await self._settle(end)
        if (left := target - self.now()) > timedelta(0):
            await self._session.run(clock.advance(left))
        await self._settle(end)

    async def _settle(self, end: float) -> None:
        self._asked()
        await self._quiet(end)
        await self._journal.catch_up()

    async def _quiet(self, end: float) -> None:
        while not await self.idle() and time.monotonic() < end:
            await self._session.store.wait(self._session.store.position, SILENCE / 4)

    async def idle(self) -> bool:
        """Whether it has been silent for a while, since the last record and since it was last asked for something."""
        self._session.check()
        return await super().idle()

    @property
    def _last_at(self) -> float:
        return self._session.store.last_at

    async def create(
        self, process_id: str, variables: object, *, version: int, business_id: str | None, tags: Sequence[str],
        start_before: Sequence[str], terminate_after: Sequence[str],
    ) -> ProcessInstance:  # fmt: skip
        """Start a process instance."""
        if terminate_after:
            raise NotSupported(
                "terminate_after works on the embedded engine only: the gateway's protocol of a broker has no word for it here"
            )
        return await self.client.start(
            process_id, variables, version=version, business_id=business_id, tags=tags, start_before=start_before
        )

    async def correlate(self, name: str, correlation_key: str, variables: Mapping[str, Any]) -> None:
        """Publish it with no time to live: whoever waits gets it."""
        await self.client.publish_message(name, correlation_key, variables, ttl=timedelta(0))

    async def rest_address(self) -> str:
        """The base of its REST API."""
        return self._session.engine.rest_address
