"""What the embedded engine leans on in Java: the list of it, and a reading of our sources that keeps the list complete."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camunda_workers.engine import embedded
from camunda_workers.engine.embedded import java_side

ZEEBE = "io.camunda.zeebe."
OWN = ("io.camunda.", "org.agrona.", "org.camunda.")
"""Packages whose members are listed below; the JDK keeps its promises."""

SURFACE: Mapping[str, Sequence[str]] = {
    "io.camunda.search.clients.SearchClientsProxy": ["noop()"],
    "io.camunda.security.auth.BrokerRequestAuthorizationConverter": ["new(SecurityConfiguration)"],
    "io.camunda.security.configuration.AuthorizationsConfiguration": ["setEnabled(boolean)"],
    "io.camunda.security.configuration.SecurityConfiguration": ["new()", "getAuthorizations()"],
    "org.agrona.DirectBuffer": [
        "capacity()", "getBytes(int, ByteBuffer, int)", "getBytes(int, byte[])", "getStringWithoutLengthUtf8(int, int)",
    ],
    "org.agrona.concurrent.BackoffIdleStrategy": ["new(long, long, long, long)"],
    "org.agrona.concurrent.IdleStrategy": [],
    "org.agrona.concurrent.UnsafeBuffer": ["new(byte[])"],
    "org.camunda.feel.api.EvaluationResult": ["failure()", "isSuccess()", "result()"],
    "org.camunda.feel.api.FeelEngineApi": ["evaluateExpression(String, Map)", "parseExpression(String)"],
    "org.camunda.feel.api.FeelEngineBuilder": ["build()", "forJava()"],
    "org.camunda.feel.api.ParseResult": ["failure()", "isSuccess()"],
    ZEEBE + "db.AccessMetricsConfiguration": ["new(Kind, int)"],
    ZEEBE + "db.AccessMetricsConfiguration$Kind": ["NONE"],
    ZEEBE + "db.ConsistencyChecksSettings": ["new()"],
    ZEEBE + "db.ZeebeDb": ["close()", "createContext()", "createSnapshot(File)"],
    ZEEBE + "db.impl.rocksdb.RocksDbConfiguration": ["new()"],
    ZEEBE + "db.impl.rocksdb.ZeebeRocksDbFactory": [
        "new(RocksDbConfiguration, ConsistencyChecksSettings, AccessMetricsConfiguration, Supplier)", "createDb(File)",
    ],
    ZEEBE + "el.EvaluationContext": ["getVariable(String)"],
    ZEEBE + "el.EvaluationResult": ["getFailureMessage()", "getWarnings()", "isFailure()", "toBuffer()"],
    ZEEBE + "el.EvaluationWarning": ["getMessage()"],
    ZEEBE + "el.Expression": ["getFailureMessage()", "isStatic()", "isValid()"],
    ZEEBE + "el.ExpressionLanguage": ["evaluateExpression(Expression, EvaluationContext)", "parseExpression(String)"],
    ZEEBE + "el.ExpressionLanguageMetrics": ["noop()"],
    ZEEBE + "el.ExpressionLanguageFactory": ["createExpressionLanguage(FeelEngineClock)"],
    ZEEBE + "engine.Engine": ["new(TypedRecordProcessorFactory, EngineConfiguration, SecurityConfiguration)"],
    ZEEBE + "engine.EngineConfiguration": ["new()", "setJobsTimeoutCheckerPollingInterval(Duration)"],
    ZEEBE + "engine.processing.EngineProcessors": [
        "createEngineProcessors(TypedRecordProcessorContext, int, SubscriptionCommandSender, InterPartitionCommandSender, FeatureFlags, "
        "JobStreamer, SearchClientsProxy, BrokerRequestAuthorizationConverter)",
    ],
    ZEEBE + "engine.processing.message.command.SubscriptionCommandSender": ["new(int, InterPartitionCommandSender)"],
    ZEEBE + "engine.processing.streamprocessor.JobStreamer": ["notifyWorkAvailable(String)", "streamFor(DirectBuffer, Predicate)"],
    ZEEBE + "engine.processing.streamprocessor.JobStreamer$JobStream": ["properties()", "push(ActivatedJob)"],
    ZEEBE + "engine.processing.streamprocessor.TypedRecordProcessorContext": ["getPartitionId()"],
    ZEEBE + "engine.processing.streamprocessor.TypedRecordProcessorFactory": ["createProcessors(TypedRecordProcessorContext)"],
    ZEEBE + "engine.processing.streamprocessor.TypedRecordProcessors": [],
    ZEEBE + "engine.state.ProcessingDbState": [
        "new(int, ZeebeDb, TransactionContext, KeyGenerator, TransientPendingSubscriptionState, TransientPendingSubscriptionState, "
        "EngineConfiguration, InstantSource)"
        " | new(int, ZeebeDb, TransactionContext, KeyGenerator, TransientPendingSubscriptionState, TransientPendingSubscriptionState, "
        "EngineConfiguration, InstantSource, ExpressionLanguageMetrics)",
    ],
    ZEEBE + "engine.state.message.TransientPendingSubscriptionState": ["new()"],
    ZEEBE + "engine.state.migration.DbMigratorImpl": [
        "new(boolean, ClusterContext, MutableProcessingState, String)", "runMigrations()",
    ],
    ZEEBE + "logstreams.log.LogAppendEntry": ["of(RecordMetadata, UnifiedRecordValue)", "of(long, RecordMetadata, UnifiedRecordValue)"],
    ZEEBE + "logstreams.log.LogRecordAwaiter": ["onRecordAvailable()"],
    ZEEBE + "logstreams.log.LogStream": [
        "builder()", "close()", "newLogStreamReader()", "newLogStreamWriter()", "registerRecordAvailableListener(LogRecordAwaiter)",
        "removeRecordAvailableListener(LogRecordAwaiter)",
    ],
    ZEEBE + "logstreams.log.LogStreamBuilder": [
        "build()", "withClock(InstantSource)", "withLogStorage(LogStorage)", "withMeterRegistry(MeterRegistry)", "withPartitionId(int)",
    ],
    ZEEBE + "logstreams.log.LogStreamReader": ["close()", "hasNext()", "next()", "seekToEnd()", "seekToFirstEvent()", "seekToNextEvent(long)"],
    ZEEBE + "logstreams.log.LogStreamWriter": ["tryWrite(WriteContext, LogAppendEntry)"],
    ZEEBE + "logstreams.log.LoggedEvent": [
        "getKey()", "getPosition()", "getValueBuffer()", "getValueLength()", "getValueOffset()", "readMetadata(BufferReader)",
    ],
    ZEEBE + "logstreams.log.WriteContext": ["internal()", "interPartition()"],
    ZEEBE + "logstreams.storage.LogStorage": [
        "addCommitListener(CommitListener)", "append(long, long, BufferWriter, AppendListener)", "newReader()",
        "removeCommitListener(CommitListener)",
    ],
    ZEEBE + "logstreams.storage.LogStorage$AppendListener": ["onWrite(long, long)", "onCommit(long, long)"],
    ZEEBE + "logstreams.storage.LogStorage$CommitListener": ["onCommit()"],
    ZEEBE + "logstreams.storage.LogStorageReader": ["close()", "seek(long)"],
    ZEEBE + "msgpack.value.StringValue": ["new(String)"],
    ZEEBE + "process.test.engine.db.InMemoryDbFactory": ["new()", "createDb()"],
    ZEEBE + "protocol.impl.encoding.AuthInfo": [],
    ZEEBE + "protocol.impl.record.CopiedRecord": ["toJson()"],
    ZEEBE + "protocol.impl.record.RecordMetadata": [
        "new()", "authorization(AuthInfo)", "getIntent()", "getRecordType()", "getValueType()", "intent(Intent)", "operationReference(long)",
        "recordType(RecordType)", "requestId(long)", "requestStreamId(int)", "valueType(ValueType)",
    ],
    ZEEBE + "protocol.impl.record.UnifiedRecordValue": ["fromValueType(ValueType)", "wrap(DirectBuffer)"],
    ZEEBE + "protocol.impl.record.value.processinstance.ProcessInstanceCreationRecord": [],
    ZEEBE + "protocol.impl.stream.job.ActivatedJob": ["jobKey()", "jobRecord()"],
    ZEEBE + "protocol.impl.stream.job.JobActivationProperties": [],
    ZEEBE + "protocol.impl.stream.job.JobActivationPropertiesImpl": [
        "new()", "setFetchVariables(Collection)", "setTenantIds(Collection)", "setTimeout(long)", "setWorker(DirectBuffer, int, int)",
    ],
    ZEEBE + "protocol.record.RecordType": ["COMMAND", "COMMAND_REJECTION", "EVENT"],
    ZEEBE + "protocol.record.RejectionType": ["name()"],
    ZEEBE + "protocol.record.intent.Intent": ["name()"],
    ZEEBE + "protocol.record.ValueType": ["INCIDENT", "JOB", "JOB_BATCH", "MESSAGE", "TIMER", "name()", "valueOf(String)"],
    ZEEBE + "scheduler.ActorScheduler": ["newActorScheduler()", "start()", "stop()"],
    ZEEBE + "scheduler.ActorScheduler$ActorSchedulerBuilder": [
        "build()", "setActorClock(ActorClock)", "setCpuBoundActorThreadCount(int)", "setIdleStrategySupplier(Supplier)",
        "setIoBoundActorThreadCount(int)",
    ],
    ZEEBE + "scheduler.clock.ControlledActorClock": ["new()", "addTime(Duration)", "getTimeMillis()", "update()"],
    ZEEBE + "scheduler.future.ActorFuture": ["join()", "join(long, TimeUnit)"],
    ZEEBE + "stream.api.CommandResponseWriter": [
        "intent(Intent)", "key(long)", "partitionId(int)", "recordType(RecordType)", "rejectionReason(DirectBuffer)",
        "rejectionType(RejectionType)", "tryWriteResponse(int, long)", "valueType(ValueType)", "valueWriter(BufferWriter)",
    ],
    ZEEBE + "stream.api.InterPartitionCommandSender": [
        "sendCommand(int, ValueType, Intent, Long, UnifiedRecordValue, AuthInfo)",
    ],
    ZEEBE + "stream.impl.ClusterContextImpl": ["new(int)"],
    ZEEBE + "stream.impl.ControllableStreamClockImpl": ["new(InstantSource)"],
    ZEEBE + "stream.impl.StreamProcessor": [
        "builder()", "closeAsync()", "getLastProcessedPositionAsync()", "hasProcessingReachedTheEnd()", "isFailed()", "openAsync(boolean)",
    ],
    ZEEBE + "stream.impl.StreamProcessorBuilder": [
        "actorSchedulingService(ActorSchedulingService)", "build()", "clock(ControllableStreamClock)",
        "commandResponseWriter(CommandResponseWriter)", "logStream(LogStream)", "meterRegistry(MeterRegistry)",
        "partitionCommandSender(InterPartitionCommandSender)", "recordProcessors(List)", "zeebeDb(ZeebeDb)",
    ],
    ZEEBE + "stream.impl.state.DbKeyGenerator": ["new(int, ZeebeDb, TransactionContext)"],
    ZEEBE + "stream.impl.records.CopiedRecords": ["createCopiedRecord(int, LoggedEvent)"],
    ZEEBE + "util.Either": ["getLeft()", "isLeft()", "left(Object)"],
    ZEEBE + "util.FeatureFlags": ["createDefault()"],
    ZEEBE + "util.VersionUtil": ["getVersion()"],
    ZEEBE + "util.buffer.BufferWriter": ["getLength()", "write(MutableDirectBuffer, int)"],
}  # fmt: skip
"""Class -> constructors (``new``), methods and constants that our code uses, types by their simple names; ``a | b``: one of them, as
``versions.py`` finds out."""

ANSWERED: Mapping[str, Sequence[str]] = {
    "org.camunda.feel.FeelEngineClock.getCurrentTime": ["ZonedDateTime"],
    ZEEBE + "el.EvaluationContext.getVariable": ["DirectBuffer", "Either"],
}
"""What methods of the engine's interfaces that Python implements have to return: one of these, as ``versions.py`` finds out."""

NOT_EVERYWHERE = {ZEEBE + "process.test.engine.db.InMemoryDbFactory", ZEEBE + "el.ExpressionLanguageMetrics"}
"""Classes that some versions have and others do not: ``versions.py`` looks before it uses them."""

JDK = {
    "atZone", "entrySet", "forName", "getConstructors", "getInstance", "getLogger", "getMethods", "getName", "getParameterTypes", "getProperty",
    "getReturnType", "getSimpleName", "getValue", "isJVMStarted", "ofEpochMilli", "ofMillis", "readValue", "setLevel", "startJVM",
    "startPolling", "stopPolling", "systemDefault", "valueOf",
}  # fmt: skip
"""Methods of the JDK, of Jackson, of JPype and of our own Java classes that our code calls."""


SOURCES = Path(inspect.getfile(embedded)).parent


@dataclass
class Named:
    """What our sources name, each with the files that do."""

    classes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    interfaces: dict[str, dict[str, tuple[int, bool]]] = field(default_factory=dict[str, dict[str, tuple[int, bool]]])
    methods: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def _text(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=ast.Name(id="ZEEBE"), right=ast.Constant(value=str(text))):
            return ZEEBE + text
        case _:
            return None


def _implemented(node: ast.ClassDef) -> str | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("JImplements"):
            return _text(decorator.args[0])
    return None


def imported_by_java() -> set[str]:
    """Return the engine's classes that our own Java classes import."""
    sources = "\n".join(source.read_text("utf-8") for source in java_side.SOURCES.glob("*.java"))
    return {name for name in re.findall(r"^import ([\w.]+);", sources, re.MULTILINE) if name.startswith(OWN)}


@functools.cache
def named() -> Named:
    """Read our sources; the gateway's faces speak to the bridge alone and name nothing of Java's."""
    found = Named()
    for path in sorted(SOURCES.rglob("*.py")):
        place = path.relative_to(SOURCES).as_posix()
        if place.startswith(("grpc_gateway/", "rest/")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and (name := _text(node.args[0])) is not None:
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in ("zeebe", "construct_hidden"):
                    found.classes.setdefault(ZEEBE + name, set()).add(place)
                elif called in ("java_class", "JClass"):
                    found.classes.setdefault(name, set()).add(place)
            elif isinstance(node, ast.ClassDef) and (name := _implemented(node)) is not None:
                overrides = [
                    part for part in node.body if isinstance(part, ast.FunctionDef) and "JOverride" in map(_last, part.decorator_list)
                ]
                found.classes.setdefault(name, set()).add(place)
                found.interfaces[name] = {one.name: (len(one.args.args) - 1, one.args.vararg is not None) for one in overrides}
            elif isinstance(node, ast.Attribute) and re.fullmatch(r"[a-z]+[A-Z]\w*", node.attr):
                found.methods.setdefault(node.attr, set()).add(place)
    return found


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]
