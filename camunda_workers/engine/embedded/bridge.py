"""The bridge: ``await bridge.execute(command)`` writes a command to the engine's log and resolves with the engine's answer.

The engine answers on its own thread, through a ``CommandResponseWriter`` that we implement: it is filled field by field and then
told to send. Answers go to the event loop in batches: however many have gathered are handed over by one wake-up.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from camunda_workers.engine.embedded.commands import Answer, Command
from camunda_workers.engine.embedded.documents import pack, unpack
from camunda_workers.engine.embedded.java import ZEEBE, jpype, read_buffer, read_writer, to_java_buffer, zeebe
from camunda_workers.errors import (
    AlreadyExists,
    BackPressure,
    EngineError,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)

_REJECTIONS: dict[str, type[EngineError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "INVALID_STATE": InvalidState,
    "PROCESSING_ERROR": EngineFailure,
    "EXCEEDED_BATCH_RECORD_SIZE": InvalidArgument,
    "UNAUTHORIZED": Unauthenticated,
    "FORBIDDEN": PermissionDenied,
}

_STREAM = 1
"""The request stream all commands of a bridge share; the request id alone tells answers apart."""


def rejection(command_intent: str, kind: str, reason: str) -> EngineError:
    """Return the error for a rejected command, worded as Camunda's gateway words it."""
    error = _REJECTIONS.get(kind, EngineFailure)
    return error(f"Command '{command_intent}' rejected with code '{kind}': {reason}")


class _Waiting:
    """Requests under way and the way their answers take from the engine's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        self._ready: deque[tuple[int, Answer | tuple[str, str]]] = deque()
        self._lock = threading.Lock()
        self._woken = False
        self.hold: Callable[[Callable[[], None]], None] | None = None

    def add(self, request: int, intent: str) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._futures[request] = (intent, future)
        return future

    def forget(self, request: int) -> None:
        self._futures.pop(request, None)

    def answer(self, request: int, answer: Answer | tuple[str, str]) -> None:
        """Take an answer, on any thread; a pair is a rejection's type and reason."""
        if self.hold is None:
            self._take(request, answer)
        else:
            self.hold(functools.partial(self._take, request, answer))

    def _take(self, request: int, answer: Answer | tuple[str, str]) -> None:
        self._ready.append((request, answer))
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._hand_over)
        except RuntimeError:
            self._ready.clear()  # the loop is closed: nobody waits any more

    def _hand_over(self) -> None:
        with self._lock:
            self._woken = False
        while self._ready:
            request, answer = self._ready.popleft()
            intent, future = self._futures.pop(request, ("", None))
            if future is None or future.done():
                continue
            if isinstance(answer, Answer):
                future.set_result(answer)
            else:
                future.set_exception(rejection(intent, *answer))

    def fail_all(self, error: EngineError) -> None:
        for _, future in self._futures.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever awaited it is told; nobody awaiting it is no error
        self._futures.clear()


@functools.cache
def _response_writer_class() -> Any:
    @jpype.JImplements(ZEEBE + "stream.api.CommandResponseWriter")
    class ResponseWriter:
        """Filled by the engine's processing thread, one answer after the other."""

        def __init__(self, waiting: _Waiting) -> None:
            self._waiting = waiting
            self._key = -1
            self._intent = ""
            self._rejected = False
            self._reason: tuple[str, str] = ("", "")
            self._value: Any = None
            self._rejection_type = ""

        @jpype.JOverride
        def partitionId(self, partition: Any) -> Any:
            return self

        @jpype.JOverride
        def key(self, key: Any) -> Any:
            self._key = int(key)
            return self

        @jpype.JOverride
        def intent(self, intent: Any) -> Any:
            self._intent = intent
            return self

        @jpype.JOverride
        def recordType(self, kind: Any) -> Any:
            self._rejected = str(kind) == "COMMAND_REJECTION"
            return self

        @jpype.JOverride
        def valueType(self, kind: Any) -> Any:
            return self

        @jpype.JOverride
        def rejectionType(self, kind: Any) -> Any:
            self._rejection_type = kind
            return self

        @jpype.JOverride
        def rejectionReason(self, reason: Any) -> Any:
            self._reason = reason
            return self

        @jpype.JOverride
        def valueWriter(self, value: Any) -> Any:
            self._value = value
            return self

        @jpype.JOverride
        def tryWriteResponse(self, stream: Any, request: Any) -> None:
            if self._rejected:
                reason = read_buffer(self._reason).decode(errors="replace")
                self._waiting.answer(int(request), (str(self._rejection_type), reason))
            else:
                self._waiting.answer(int(request), Answer(self._key, str(self._intent), unpack(read_writer(self._value))))

    return ResponseWriter


class Bridge:
    """Commands in, answers out; made by the wiring, used by both faces of the gateway.

    All of its methods belong to the event loop it was made in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting = _Waiting(loop)
        self._ids = itertools.count(1)
        self._writer: Any = None
        self._closed: EngineError | None = None
        self._refusal: EngineError | None = None
        self._types: dict[tuple[str, str], tuple[Any, Any, Any]] = {}
        self.response_writer: Any = _response_writer_class()(self._waiting)

    def attach(self, log_writer: Any) -> None:
        """Give the bridge the log's writer; commands can be executed from now on."""
        self._writer = log_writer

    def hold_answers(self, until: Callable[[Callable[[], None]], None]) -> None:
        """Let answers go only when this calls back; a durable engine waits so until what it answers is on disk."""
        self._waiting.hold = until

    async def execute(self, command: Command) -> Answer:
        """Write the command and wait for the engine's answer.

        Raises:
            EngineError: the engine rejected it (the subclass and text say how), is busy, or was stopped.
        """
        request = next(self._ids)
        future = self._waiting.add(request, command.intent)
        try:
            self._write(command, request)
            return await future
        finally:
            self._waiting.forget(request)

    def send(self, command: Command) -> None:
        """Write a command whose answer nobody waits for."""
        self._write(command, None)

    def refuse(self, error: EngineError | None) -> None:
        """Refuse commands with this error until told otherwise (None)."""
        self._refusal = error

    def close(self, error: EngineError | None = None) -> None:
        """Fail whatever is under way and everything that comes."""
        self._closed = error or EngineUnavailable("the engine was stopped")
        self._waiting.fail_all(self._closed)

    def _write(self, command: Command, request: int | None) -> None:
        if self._closed is not None:
            raise type(self._closed)(*self._closed.args)
        if self._refusal is not None and request is not None:
            raise type(self._refusal)(*self._refusal.args)
        value_type, intent, record = self._type(command.value_type, command.intent)
        try:
            packed = pack(dict(command.value))
        except (ValueError, OverflowError, TypeError) as error:
            raise InvalidArgument(f"Command '{command.intent}' cannot be written: {error}") from error
        metadata = zeebe("protocol.impl.record.RecordMetadata")().recordType(zeebe("protocol.record.RecordType").COMMAND)
        metadata.valueType(value_type).intent(intent)
        if request is not None:
            metadata.requestStreamId(_STREAM).requestId(request)
        if command.operation_reference is not None:
            metadata.operationReference(jpype.JLong(command.operation_reference))
        try:
            record.wrap(to_java_buffer(packed))
            entry_of = zeebe("logstreams.log.LogAppendEntry").of
            entry = entry_of(metadata, record) if command.key is None else entry_of(jpype.JLong(command.key), metadata, record)
            written = self._writer.tryWrite(zeebe("logstreams.log.WriteContext").internal(), entry)
        except jpype.JException as error:
            raise InvalidArgument(f"Command '{command.intent}' cannot be written: {error}") from error
        if written.isLeft():
            failure = str(written.getLeft())
            if failure == "CLOSED":
                raise EngineUnavailable("the engine is stopping")
            if failure == "INVALID_ARGUMENT":
                raise InvalidArgument(f"Command '{command.intent}' is larger than the engine's log takes (4 MB)")
            raise BackPressure(f"the engine is busy ({failure}); try again")

    def _type(self, value_type: str, intent: str) -> tuple[Any, Any, Any]:
        known = self._types.get((value_type, intent))
        if known is None:
            java_type = zeebe("protocol.record.ValueType").valueOf(value_type)
            registry = zeebe("stream.impl.TypedEventRegistry").EVENT_REGISTRY
            record = registry.get(java_type).getDeclaredConstructor([]).newInstance([])
            # By name: Intent.fromProtocolValue(type, text) does not know every type. JOB_BATCH has JobBatchIntent, and so on.
            intents = zeebe(f"protocol.record.intent.{value_type.title().replace('_', '')}Intent")
            java_intent = intents.valueOf(intent)
            known = self._types[(value_type, intent)] = (java_type, java_intent, record)
        return known
