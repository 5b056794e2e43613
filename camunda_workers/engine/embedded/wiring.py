"""Wires Camunda's engine from its public classes: scheduler, log, state, stream processor.

This (with ``java_side/``) is the one place that names the engine's constructors; ``tests/contract`` notices when a version moves one of them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from camunda_workers.engine.embedded.homes import PARTITION, Home
from camunda_workers.engine.embedded.java import java_class, jpype, zeebe

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


@functools.cache
def quieten() -> Any:
    """Keep micrometer from warning about what the engine does on purpose."""
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
        The running parts, and what writes commands to its log.
    """
    quieten()
    clock = zeebe("scheduler.clock.ControlledActorClock")()
    clock.addTime(java_class("java.time.Duration").ofMillis(jpype.JLong(home.clock_offset)))
    clock.update()
    idling = java_class("camunda_workers.Idling")(jpype.JLong(_LONGEST_PARK_NS))
    builder = zeebe("scheduler.ActorScheduler").newActorScheduler().setActorClock(clock).setIdleStrategySupplier(idling)
    scheduler = builder.setCpuBoundActorThreadCount(1).setIoBoundActorThreadCount(1).build()
    scheduler.start()
    try:
        return _wire(home, clock, scheduler, response_writer, job_streamer)
    except BaseException:
        scheduler.stop()  # its threads would keep the process from ending
        raise


def _wire(home: Home, clock: Any, scheduler: Any, response_writer: Any, job_streamer: Any) -> tuple[Wired, Any]:
    meters = java_class("io.micrometer.core.instrument.simple.SimpleMeterRegistry")()
    log_builder = zeebe("logstreams.log.LogStream").builder().withPartitionId(PARTITION).withClock(clock).withMeterRegistry(meters)
    log = log_builder.withLogStorage(home.log_storage).build()
    commands = java_class("camunda_workers.Commands")(log.newLogStreamWriter())
    loopback = java_class("camunda_workers.Loopback")(log.newLogStreamWriter())
    security = java_class("io.camunda.security.configuration.SecurityConfiguration")()
    security.getAuthorizations().setEnabled(False)
    interval = java_class("java.time.Duration").ofMillis(TIMEOUT_CHECK_MS)
    configuration = zeebe("engine.EngineConfiguration")().setJobsTimeoutCheckerPollingInterval(interval)
    processors = java_class("camunda_workers.Processors")(loopback, job_streamer, security)
    engine = zeebe("engine.Engine")(processors, configuration, security)
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
    return Wired(clock, log, processor, scheduler, home), commands
