"""Camunda's engine inside this Python process, with its gateway."""

from __future__ import annotations

import asyncio
import atexit
import functools
import importlib
import weakref
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.follow import LogFollower
from camunda_workers.errors import ConfigurationError, EngineUnavailable
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from camunda_workers.engine.embedded.bridge import Bridge
    from camunda_workers.engine.embedded.durable.keeper import Keeper
    from camunda_workers.engine.embedded.homes import Home, State
    from camunda_workers.engine.embedded.job_push import JobDispatch
    from camunda_workers.engine.embedded.outbox import Outbox
    from camunda_workers.engine.embedded.records import LogRecords
    from camunda_workers.engine.embedded.time import EngineClock, VirtualTime
    from camunda_workers.engine.embedded.wiring import Wired
    from camunda_workers.events import EventLog, ReadModel

T = TypeVar("T")

_open: weakref.WeakSet[EmbeddedEngine] = weakref.WeakSet()


class EmbeddedEngine:
    """One engine: an async context manager that starts it, serves it and stops it.

    The first one in a process starts the Java virtual machine (about a second with the class-data archive that ``camunda-workers
    setup`` builds); each further one takes some 40 ms. Any number can run side by side.

    Args:
        data: a folder in which everything is kept: the engine goes on from there after a stop or a kill. None keeps nothing.
        state: without ``data``: ``memory`` (fastest start, for tests) or ``rocksdb`` (stays fast with thousands of open instances). The first
            engine of a process decides whether Java optimises what runs often: it does unless that one is a short-lived ``memory`` one.
        grpc_port: port of the gRPC gateway; 0 takes a free one.
        rest_port: port of the REST API; 0 takes a free one, None serves no REST.
        door: where the gateway listens and whom it lets in; loopback and everybody by default.
        log: an event log that follows the engine while it runs; without one, searches are answered from a log in ``data``, or in memory.
            Checkpoints of a log on disk are signed meanwhile, unless ``CAMUNDA_WORKERS_SIGN_LOG`` says no.
        snapshot_interval: seconds between snapshots of a durable engine; a restart replays at most this much.
        settings: where the engine's files are, how the virtual machine starts, how the log is signed.
    """

    def __init__(
        self,
        *,
        data: Path | None = None,
        state: State = "memory",
        grpc_port: int = 0,
        rest_port: int | None = None,
        door: Door | None = None,
        log: EventLog | None = None,
        snapshot_interval: float = 300.0,
        settings: Settings | None = None,
    ) -> None:
        if state not in ("memory", "rocksdb"):
            raise ConfigurationError(f"state is 'memory' or 'rocksdb', not {state!r}")
        self._state: State = state
        self._data = data
        self._snapshot_interval = snapshot_interval
        self._keeper: Keeper | None = None
        self._ports = (grpc_port, rest_port)
        self._door = door or Door()
        self._door.check()
        self._settings = settings or Settings()
        self._wired: Wired | None = None
        self._outbox: Outbox | None = None
        self._bridge: Bridge | None = None
        self._dispatch: JobDispatch | None = None
        self._records: LogRecords | None = None
        self._time: VirtualTime | None = None
        self._servers: list[Any] = []
        self._follower: LogFollower = LogFollower(log, data, self._settings)
        self.grpc_address = ""
        self.rest_address = ""

    async def start(self) -> Self:
        """Start the engine and its gateway.

        Raises:
            MissingExtra: the extra ``embedded`` is not installed.
            SetupError: the engine's files are not there and cannot be fetched.
            ConfigurationError: a port is taken.
        """
        if self._wired is not None:
            raise ConfigurationError("this engine is already running")
        from camunda_workers.engine.embedded.jvm import start_jvm

        start_jvm(self._settings, lasting=self._data is not None or self._state == "rocksdb")
        _stop_all_at_exit()
        from camunda_workers.engine.embedded import commands
        from camunda_workers.engine.embedded.bridge import Bridge
        from camunda_workers.engine.embedded.java import in_java_thread
        from camunda_workers.engine.embedded.job_push import JobDispatch
        from camunda_workers.engine.embedded.outbox import Outbox
        from camunda_workers.engine.embedded.wiring import wire

        loop = asyncio.get_running_loop()
        opening = asyncio.ensure_future(in_java_thread(self._open_home, loop))
        # Java opens the state and starts the engine on its own thread while Python reads modules: a quarter of a cold start.
        await asyncio.sleep(0)
        self._follower.import_early()
        home = await opening
        outbox = self._outbox = Outbox(loop)
        bridge = self._bridge = Bridge(loop, outbox)
        dispatch = self._dispatch = JobDispatch(loop, outbox, lambda key: bridge.send(commands.yield_job(key)))
        wiring = asyncio.ensure_future(in_java_thread(wire, home, response_writer=bridge.response_writer, job_streamer=dispatch.streamer))
        await asyncio.sleep(0)
        from camunda_workers.engine.embedded.grpc_gateway.server import start_gateway
        from camunda_workers.engine.embedded.records import LogRecords

        if self._ports[1] is not None:
            with suppress(ImportError):  # start_rest says what is missing
                importlib.import_module("camunda_workers.engine.embedded.rest.app")
        try:
            self._wired, writer = await wiring
        except BaseException:
            outbox.close()
            await in_java_thread(home.close)
            raise
        _open.add(self)
        try:
            bridge.attach(writer)
            self._records = LogRecords(self._wired.log, loop)
            self._time = await self._open_time(home, bridge, dispatch)
            server, port = await start_gateway(bridge, dispatch, self._ports[0], self._door)
            self._servers.append(server)
            await self._follower.start(self._records, self._time.is_idle)
            self.grpc_address = self._door.grpc_address(port)
            if self._ports[1] is not None:
                from camunda_workers.engine.embedded.rest.server import start_rest

                rest, port = await start_rest(self, self._ports[1], self._door)
                self._servers.append(rest)
                self.rest_address = self._door.rest_address(port)
        except BaseException:
            await self.stop()
            raise
        return self

    def _open_home(self, loop: asyncio.AbstractEventLoop) -> Home:
        if self._data is None:
            from camunda_workers.engine.embedded.homes import MemoryHome

            return MemoryHome(self._state)
        from camunda_workers.engine.embedded.durable.home import DurableHome

        def on_trouble(reason: str | None) -> None:
            loop.call_soon_threadsafe(lambda: self._keeper and self._keeper.trouble(reason))

        return DurableHome(self._data, self._settings.engine_version, on_trouble)

    async def _open_time(self, home: Home, bridge: Bridge, dispatch: JobDispatch) -> VirtualTime:
        from camunda_workers.engine.embedded.durable.home import DurableHome
        from camunda_workers.engine.embedded.time import VirtualTime

        wired, records = self._running(self._wired), self._running(self._records)
        if not isinstance(home, DurableHome):
            return VirtualTime(wired, records, dispatch.served_types)
        from camunda_workers.engine.embedded.durable.keeper import Keeper

        self._running(self._outbox).hold_until(home.log.when_on_disk)
        offset, on_jump = home.clock_offset, home.remember_offset
        time = VirtualTime(wired, records, dispatch.served_types, offset=offset, on_jump=on_jump, remembered=home.facts)
        least_free = self._settings.least_free_mb * 2**20
        self._keeper = Keeper(home, wired.processor, time, bridge, self._follower.exported, self._snapshot_interval, least_free)
        self._keeper.start()
        await time.replayed()
        return time

    async def stop(self) -> None:
        """Stop the gateway and the engine; whatever is under way is answered with "unavailable". Safe to call twice."""
        wired, self._wired = self._wired, None
        if wired is None:
            return
        if self._bridge is not None:
            self._bridge.close()
        if self._dispatch is not None:
            self._dispatch.close()
        for server in reversed(self._servers):
            await server.stop(None)
        self._servers.clear()
        if self._door.guard is not None:
            await self._door.guard.close()
        await self._follower.stop()
        if self._keeper is not None:
            await self._keeper.stop()
            self._keeper = None
        if self._records is not None:
            self._records.close()
        if self._time is not None:
            self._time.close()
        from camunda_workers.engine.embedded.java import in_java_thread

        await in_java_thread(wired.close)
        if self._outbox is not None:
            self._outbox.close()
        _open.discard(self)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def bridge(self) -> Bridge:
        """The bridge, for faces of the gateway."""
        return self._running(self._bridge)

    @property
    def dispatch(self) -> JobDispatch:
        """Who waits for jobs."""
        return self._running(self._dispatch)

    @property
    def records(self) -> LogRecords:
        """The engine's records (a record source)."""
        return self._running(self._records)

    @property
    def event_log(self) -> EventLog | None:
        """The event log that follows the engine: the one it was given, or a durable engine's own."""
        return self._follower.log

    async def read_model(self) -> ReadModel:
        """Return what searches are answered from, caught up with the engine."""
        return await self._follower.caught_up(self.records)

    @property
    def data(self) -> Path | None:
        """The folder in which everything is kept, if it is."""
        return self._data

    @property
    def clock(self) -> EngineClock:
        """The engine's time."""
        return self._running(self._time).clock

    def now(self) -> datetime:
        """Return the engine's time."""
        return self.clock.now()

    async def advance(self, by: timedelta, *, timeout: float = 30.0) -> None:
        """Move the engine's time forward; see :meth:`VirtualTime.advance`."""
        await self._running(self._time).advance(by, timeout)

    async def settle(self, *, timeout: float = 30.0) -> None:
        """Wait until nothing is left to do now; see :meth:`VirtualTime.settle`."""
        await self._running(self._time).settle(timeout)

    async def is_idle(self) -> bool:
        """Whether everything in the engine's log has been processed."""
        return await self._running(self._time).is_idle()

    def next_due(self) -> datetime | None:
        """Return when the next timer, back-off or job deadline is due."""
        return self._running(self._time).next_due()

    def healthy(self) -> bool:
        """Whether the engine runs and its processing has not failed."""
        return self._wired is not None and not bool(self._wired.processor.isFailed())

    def _running(self, part: T | None) -> T:
        if part is None or self._wired is None:
            raise EngineUnavailable("the engine is not running: use it inside 'async with', or call start() first")
        return part

    def close_now(self) -> None:
        """Stop the Java side at interpreter exit, when no event loop is left."""
        wired, self._wired = self._wired, None
        if wired is not None:
            wired.close()


@functools.cache
def _stop_all_at_exit() -> None:
    # Registered after Java was started, so run before Java is gone.
    atexit.register(_stop_all)


def _stop_all() -> None:
    # The engine's threads are not daemons: one left open would keep the process from ending.
    for engine in list(_open):
        engine.close_now()
