"""Wires Camunda's engine from its public classes: scheduler, log, state, stream processor.

This is the one place that names the engine's constructors; ``tests/contract`` notices when a version moves one of them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from camunda_workers.engine.embedded.homes import PARTITION, Home
from camunda_workers.engine.embedded.java import ZEEBE, java_class, jpype, zeebe

TIMEOUT_CHECK_MS = 1000
"""How often the engine looks for jobs past their deadline: a timeout shows at most this much later."""


_LONGEST_PARK_NS = 2_000_000
"""How long an idle engine thread sleeps before it looks for work again; Zeebe's own 20 ms would be added to most answers here."""

TIMER_RESOLUTION_MS = 100
"""The engine looks for due timers at most this often (``DueDateTimerCheckScheduler``): one may fire this much late."""


@dataclass(slots=True)
class Wired:
    """A running engine's Java parts.

    Attributes:
        clock: the engine's ``ControlledActorClock``.
        log: its ``LogStream``.
        processor: its ``StreamProcessor``.
    """

    clock: Any
    log: Any
    processor: Any
    _scheduler: Any
    _home: Home

    def close(self) -> None:
        """Stop the engine and let go of what it holds; blocks a few milliseconds."""
        self.processor.closeAsync().join()
        self.log.close()
        self._home.close()
        self._scheduler.stop()


class _Proxies(NamedTuple):
    loopback: Any
    processors: Any
    idling: Any


@functools.cache
def _proxies() -> _Proxies:
    @jpype.JImplements(ZEEBE + "stream.api.InterPartitionCommandSender")
    class Loopback:
        """Commands to other partitions come back to this one: there is only one."""

        def __init__(self) -> None:
            self.writer: Any = None

        @jpype.JOverride
        def sendCommand(self, partition: Any, value_type: Any, intent: Any, *rest: Any) -> None:
            # Three overloads: (value), (key, value), (key, value, authorization).
            key, value = (None, rest[0]) if len(rest) == 1 else (rest[0], rest[1])
            metadata = zeebe("protocol.impl.record.RecordMetadata")().recordType(zeebe("protocol.record.RecordType").COMMAND)
            metadata.valueType(value_type).intent(intent)
            if len(rest) == 3 and rest[2] is not None:
                metadata.authorization(rest[2])
            entry_of = zeebe("logstreams.log.LogAppendEntry").of
            entry = entry_of(metadata, value) if key is None else entry_of(jpype.JLong(int(key)), metadata, value)
            self.writer.tryWrite(zeebe("logstreams.log.WriteContext").interPartition(), entry)

    @jpype.JImplements(ZEEBE + "engine.processing.streamprocessor.TypedRecordProcessorFactory")
    class Processors:
        def __init__(self, loopback: Any, streamer: Any, security: Any) -> None:
            self._loopback, self._streamer, self._security = loopback, streamer, security

        @jpype.JOverride
        def createProcessors(self, context: Any) -> Any:
            subscriptions = zeebe("engine.processing.message.command.SubscriptionCommandSender")(context.getPartitionId(), self._loopback)
            return zeebe("engine.processing.EngineProcessors").createEngineProcessors(
                context,
                1,
                subscriptions,
                self._loopback,
                zeebe("util.FeatureFlags").createDefault(),
                self._streamer,
                java_class("io.camunda.search.clients.SearchClientsProxy").noop(),
                java_class("io.camunda.security.auth.BrokerRequestAuthorizationConverter")(self._security),
            )

    @jpype.JImplements("java.util.function.Supplier")
    class Idling:
        @jpype.JOverride
        def get(self) -> Any:
            return java_class("org.agrona.concurrent.BackoffIdleStrategy")(10, 5, jpype.JLong(1_000), jpype.JLong(_LONGEST_PARK_NS))

    return _Proxies(Loopback, Processors, Idling)


@functools.cache
def _quieten() -> Any:
    # The engine registers one gauge twice at every start and micrometer warns about it on stderr. Java keeps loggers, and with them
    # their levels, only as long as somebody refers to them: the cache does.
    logger = java_class("java.util.logging.Logger").getLogger("io.micrometer")
    logger.setLevel(java_class("java.util.logging.Level").SEVERE)
    return logger


def wire(home: Home, *, response_writer: Any, job_streamer: Any) -> tuple[Wired, Any]:
    """Build and start an engine.

    Args:
        home: where its log and state live; closed with the engine.
        response_writer: a ``CommandResponseWriter``.
        job_streamer: a ``JobStreamer``.

    Returns:
        The running parts, and the writer of its log.
    """
    proxies = _proxies()
    _quieten()
    clock = zeebe("scheduler.clock.ControlledActorClock")()
    clock.addTime(java_class("java.time.Duration").ofMillis(jpype.JLong(home.clock_offset)))
    clock.update()
    builder = zeebe("scheduler.ActorScheduler").newActorScheduler().setActorClock(clock).setIdleStrategySupplier(proxies.idling())
    scheduler = builder.setCpuBoundActorThreadCount(1).setIoBoundActorThreadCount(1).build()
    scheduler.start()
    meters = java_class("io.micrometer.core.instrument.simple.SimpleMeterRegistry")()
    log_builder = zeebe("logstreams.log.LogStream").builder().withPartitionId(PARTITION).withClock(clock).withMeterRegistry(meters)
    log = log_builder.withLogStorage(home.log_storage).build()
    writer = log.newLogStreamWriter()
    loopback = proxies.loopback()
    loopback.writer = log.newLogStreamWriter()
    security = java_class("io.camunda.security.configuration.SecurityConfiguration")()
    security.getAuthorizations().setEnabled(False)
    interval = java_class("java.time.Duration").ofMillis(TIMEOUT_CHECK_MS)
    configuration = zeebe("engine.EngineConfiguration")().setJobsTimeoutCheckerPollingInterval(interval)
    engine = zeebe("engine.Engine")(proxies.processors(loopback, job_streamer, security), configuration, security)
    processor = (
        zeebe("stream.impl.StreamProcessor")
        .builder()
        .logStream(log)
        .zeebeDb(home.database)
        .commandResponseWriter(response_writer)
        .partitionCommandSender(loopback)
        .recordProcessors(java_class("java.util.List").of(engine))
        .actorSchedulingService(scheduler)
        .clock(zeebe("stream.impl.ControllableStreamClockImpl")(clock))
        .meterRegistry(meters)
        .build()
    )
    processor.openAsync(False).join()
    return Wired(clock, log, processor, scheduler, home), writer
