"""A stock Zeebe broker, run by this process."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from camunda_workers.engine.broker.clock import BrokerClock
from camunda_workers.engine.broker.config import (
    HEAP_MB,
    LOOPBACK,
    Ports,
    Properties,
    choose_ports,
    clear_temporary,
    command,
    environment,
    properties,
    write_configuration,
)
from camunda_workers.engine.broker.diary import Diary
from camunda_workers.engine.broker.distribution import ensure_distribution, java
from camunda_workers.engine.broker.lock import FolderLock
from camunda_workers.engine.broker.probe import Probe
from camunda_workers.engine.broker.process import BrokerProcess
from camunda_workers.engine.broker.search import SearchBeside
from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.jars import Progress
from camunda_workers.errors import ConfigurationError, EngineUnavailable, SetupError
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.events import EventLog

PORT_ATTEMPTS = 3
_TAKEN = ("Address already in use", "already in use", "BindException")


class BrokerEngine:
    """One broker on this machine, its data in one folder: an async context manager that starts, guards and stops it.

    The first start on a machine fetches the distribution (299 MB). A start takes about ten seconds. The broker listens on loopback only and ends
    with this process, however that one ends. What it acknowledged survives `kill`; another start on the same folder goes on with it.

    Args:
        data: the folder for its data, configuration and logs; by default ``broker`` in the data folder of the settings.
        grpc_port: port of the gRPC gateway; 0 takes a free one.
        rest_port: port of the REST API; 0 takes a free one.
        management_port: port of health, metrics and clock; 0 takes a free one.
        controlled_clock: whether its time can be moved forward with ``clock.advance``.
        version: of the broker; otherwise as the settings say.
        heap_mb: Java's largest heap. The process takes about half a gigabyte more at most.
        search: whether the REST API at ``rest_address`` answers searches as well: the broker's exporter fills an event log in the folder,
            our read model answers, and everything else goes to the broker's own REST API at ``broker_rest_address``.
        door: with ``search``: on which address ``rest_address`` and ``grpc_address`` are, and for whom. The broker's own ports stay on loopback
            and ask nobody.
        properties: more of the broker's configuration, in Spring's names (an exporter, for instance); goes before what is set here.
        settings: where the distribution is kept and which version is wanted.
        progress: told about the fetch, should one be needed; by default lines on stderr.
        start_timeout: how long it may take until it is ready; a folder with much to replay takes longer.
        stop_timeout: how long it may take to end when asked to; then it is killed, which costs it nothing but a longer next start.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        grpc_port: int = 0,
        rest_port: int = 0,
        management_port: int = 0,
        controlled_clock: bool = False,
        version: str | None = None,
        heap_mb: int = HEAP_MB,
        search: bool = False,
        door: Door | None = None,
        properties: Properties | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
        start_timeout: timedelta = timedelta(minutes=5),
        stop_timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        self._settings = settings or Settings()
        self.data = (data or self._settings.data_dir / "broker").resolve()
        self.version = version or self._settings.broker_version
        self._wanted_ports = (grpc_port, rest_port, management_port)
        self._controlled_clock = controlled_clock
        self._heap_mb = heap_mb
        self._properties = properties or {}
        if door is not None and not search:
            raise ConfigurationError("a stock broker's own ports have no door: it stands before the REST API of search=True")
        self._search = SearchBeside(self.data, door) if search else None
        self._progress = progress
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._lock = FolderLock(self.data)
        self._diary = Diary(self.data)
        self._process: BrokerProcess | None = None
        self._clock: BrokerClock | None = None
        self.grpc_address = ""
        self.rest_address = ""
        self.broker_rest_address = ""
        self.broker_grpc_address = ""
        self.management_address = ""

    async def start(self) -> Self:
        """Start the broker and wait until its partitions have a healthy leader and its APIs answer.

        Raises:
            ConfigurationError: a port is taken, another broker uses the folder, or it is running already.
            SetupError: the distribution is not there and cannot be fetched, or the folder cannot be written to.
            EngineFailure: the broker ended, or was not ready in time; the text has the last lines of its log.
            MissingExtra: the extra ``embedded`` is not installed.
        """
        if self._process is not None:
            raise ConfigurationError("this broker is already running")
        distribution = await asyncio.to_thread(ensure_distribution, self.version, self._settings.cache_dir, self._progress)
        try:
            await self._take_folder()
            more: Properties = {} if self._search is None else await self._search.open(self._wanted_ports[1], self._wanted_ports[0])
            await self._start_on_free_ports(distribution, more)
            assert self._clock is not None
            await self._clock.resume()
            if self._search is not None:
                addresses = await self._search.serve(self.broker_rest_address, self.broker_grpc_address, self.healthy)
                self.rest_address, self.grpc_address = addresses
        except BaseException as error:
            await self.kill()
            if isinstance(error, OSError):
                raise SetupError(f"cannot write to {self.data} ({error.strerror or error}): choose another folder with --data") from error
            raise
        return self

    async def stop(self) -> None:
        """Let the broker end in order, or end it when it takes too long. Safe to call twice."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await asyncio.shield(process.stop())
        finally:
            await self._let_go()

    async def kill(self) -> None:
        """End the broker at once, as a power cut would; what it acknowledged is on disk."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await asyncio.shield(process.kill())
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        # After the broker, which hands over what it has left when it ends in order.
        try:
            if self._search is not None:
                await self._search.close()
        finally:
            self._lock.release()

    async def wait(self) -> None:
        """Wait until the broker ends by itself.

        Raises:
            EngineFailure: it has; nobody asked it to.
        """
        code = await self._running().wait()
        raise self._diary.ended(f"the broker ended with exit code {code}")

    async def healthy(self) -> bool:
        """Whether the broker runs and each partition has a healthy leader."""
        if self._process is None or self._process.ended:
            return False
        async with Probe(self.broker_grpc_address) as probe:
            return not await probe.problem()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def clock(self) -> BrokerClock:
        """The broker's time."""
        self._running()
        assert self._clock is not None
        return self._clock

    async def advance(self, by: timedelta) -> None:
        """Move the broker's time forward; see `BrokerClock.advance`."""
        await self.clock.advance(by)

    @property
    def pid(self) -> int:
        """The broker's own process."""
        return self._running().pid

    @property
    def log_file(self) -> Path:
        """What the broker writes; ``output.log`` beside it has what Java itself says."""
        return self._diary.log

    @property
    def event_log(self) -> EventLog | None:
        """With ``search``: the log that searches are answered from, while it runs."""
        return None if self._search is None else self._search.log

    def _running(self) -> BrokerProcess:
        if self._process is None:
            raise EngineUnavailable("the broker is not running: use it inside 'async with', or call start() first")
        return self._process

    async def _take_folder(self) -> None:
        # When its process was killed, a broker needs a moment to end itself, and holds the folder until it has.
        deadline = time.monotonic() + self._stop_timeout.total_seconds()
        while not self._lock.acquire():
            holder = self._lock.holder()
            if holder is not None or time.monotonic() > deadline:
                who = f"process {holder}" if holder is not None else "another process"
                raise ConfigurationError(
                    f"{self.data} is in use by the broker of {who}: stop that one, or choose another folder with --data"
                )
            await asyncio.sleep(0.1)

    async def _start_on_free_ports(self, distribution: Path, more: Properties) -> None:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                grpc, rest, management = self._wanted_ports
                if self._search is not None:  # which listens there itself
                    grpc, rest = 0 if self._search.before_grpc else grpc, 0
                ports = choose_ports(grpc, rest, management)
                await self._start_once(distribution, ports, {**more, **self._properties})
            except Exception:
                # Between being found free and being used, a port can be taken by somebody else.
                taken = any(word in self._diary.text() for word in _TAKEN)
                if attempt == PORT_ATTEMPTS or not taken or self._process is None or not self._process.ended:
                    raise
            else:
                return

    async def _start_once(self, distribution: Path, ports: Ports, more: Properties) -> None:
        self.grpc_address = self.broker_grpc_address = f"{LOOPBACK}:{ports.grpc}"
        self.rest_address = self.broker_rest_address = f"http://{LOOPBACK}:{ports.rest}"
        self.management_address = f"http://{LOOPBACK}:{ports.management}"
        self._clock = BrokerClock(self.management_address, self.data, controlled=self._controlled_clock)
        content = properties(ports, self.data, controlled_clock=self._controlled_clock, more=more)
        configuration = write_configuration(self.data, content)
        clear_temporary(self.data)
        self._diary.open()
        self._process = await BrokerProcess.start(
            command(java(), distribution, self.data, configuration, self._heap_mb),
            folder=self.data,
            output=self._diary.output,
            environment=environment(os.environ),
            grace=self._stop_timeout,
            keep=[self._lock.descriptor] if self._lock.descriptor is not None else [],
        )
        await self._until_ready(self._process)

    async def _until_ready(self, process: BrokerProcess) -> None:
        problem = "it did not answer"
        doors = f"{self.broker_rest_address}/v2/topology", f"{self.management_address}/actuator/health"
        async with Probe(self.broker_grpc_address, *doors) as probe:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._start_timeout.total_seconds()):
                    while not process.ended:
                        problem = await probe.problem()
                        if not problem:
                            return
                        await process.wait(0.1)
        if process.ended:
            raise self._diary.ended(f"the broker ended with exit code {await process.wait()} while it was starting")
        seconds = round(self._start_timeout.total_seconds())
        raise self._diary.ended(f"the broker was not ready within {seconds} s: {problem}")
