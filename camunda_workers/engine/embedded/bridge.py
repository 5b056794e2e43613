"""The bridge: ``await bridge.execute(command)`` writes a command to the engine's log and resolves with the engine's answer.

The engine answers on its own thread, through a ``CommandResponseWriter`` of ours (``java_side/…/Answers.java``); the answers come to the
event loop through the outbox.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import struct
from typing import Any

from camunda_workers.engine.embedded.commands import Answer, Command
from camunda_workers.engine.embedded.documents import pack, unpack
from camunda_workers.engine.embedded.java import java_class, jpype, zeebe
from camunda_workers.engine.embedded.outbox import ANSWER, Outbox
from camunda_workers.engine.embedded.versions import knows_business_ids, running_version
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


_UNEXPLAINED = {
    "EXCEEDED_BATCH_RECORD_SIZE": "what it brings about is larger than a batch of the engine's log may be (4 MB): send less at once"
}


def rejection(command_intent: str, kind: str, reason: str) -> EngineError:
    """Return the error for a rejected command, worded as Camunda's gateway words it."""
    error = _REJECTIONS.get(kind, EngineFailure)
    # The engine gives no reason for the one refusal that it makes after it has tried.
    why = reason or _UNEXPLAINED.get(kind, "the engine gives no reason")
    return error(f"Command '{command_intent}' rejected with code '{kind}': {why}")


_ANSWER = struct.Struct(">qqB")


def _read_answer(message: bytes) -> tuple[int, Answer | tuple[str, str]]:
    """Return an answer's request and the answer; a pair is a rejection's type and reason."""
    request, key, length = _ANSWER.unpack_from(message)
    at: int = _ANSWER.size + length
    intent = message[_ANSWER.size : at].decode()
    end = at + 1 + message[at]
    refusal, rest = message[at + 1 : end].decode(), message[end:]
    if refusal:
        return request, (refusal, rest.decode(errors="replace"))
    return request, Answer(key, intent, unpack(rest))


class Bridge:
    """Commands in, answers out; made by the wiring, used by both faces of the gateway.

    All of its methods belong to the event loop it was made in.

    Attributes:
        version: of the engine, as it says itself.
        knows_business_ids: whether a process instance of this engine has a business id of its own (8.9); older ones keep a tag.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self.version = running_version()
        self.knows_business_ids = knows_business_ids()
        self._loop = loop
        self._waiting: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        # Not from 1: after a kill the log may still hold commands of an earlier run, and their answers must not be taken for those of this one.
        self._ids = itertools.count(secrets.randbits(61) + 1)
        self._writer: Any = None
        self._bytes: Any = jpype.JArray(jpype.JByte)
        self._closed: EngineError | None = None
        self._refusal: EngineError | None = None
        self._types: dict[tuple[str, str], tuple[Any, Any, Any]] = {}
        self.response_writer: Any = java_class("camunda_workers.Answers")(outbox.java)
        outbox.on(ANSWER, self._answered)

    def attach(self, writer: Any) -> None:
        """Give the bridge what writes to the log (``java_side/…/Commands.java``); commands can be executed from now on."""
        self._writer = writer

    async def execute(self, command: Command) -> Answer:
        """Write the command and wait for the engine's answer.

        Raises:
            EngineError: the engine rejected it (the subclass and text say how), is busy, or was stopped.
        """
        request = next(self._ids)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[request] = (command.intent, future)
        try:
            self._write(command, request)
            return await future
        finally:
            self._waiting.pop(request, None)

    def send(self, command: Command) -> None:
        """Write a command whose answer nobody waits for."""
        self._write(command, None)

    def refuse(self, error: EngineError | None) -> None:
        """Refuse commands with this error until told otherwise (None)."""
        self._refusal = error

    def close(self, error: EngineError | None = None) -> None:
        """Fail whatever is under way and everything that comes."""
        self._closed = error or EngineUnavailable("the engine was stopped")
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(self._closed)
                future.exception()  # whoever awaited it is told; nobody awaiting it is no error
        self._waiting.clear()

    def _answered(self, message: bytes) -> None:
        request, answer = _read_answer(message)
        intent, future = self._waiting.pop(request, ("", None))
        if future is None or future.done():
            return
        if isinstance(answer, Answer):
            future.set_result(answer)
        else:
            future.set_exception(rejection(intent, *answer))

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
        try:
            failure = self._writer.write(
                value_type,
                intent,
                record,
                self._bytes(packed),
                command.key is not None,
                command.key or 0,
                request or 0,
                command.operation_reference is not None,
                command.operation_reference or 0,
            )
        except (jpype.JException, OverflowError, TypeError) as error:
            raise InvalidArgument(f"Command '{command.intent}' cannot be written: {error}") from error
        if failure is not None:
            if failure == "CLOSED":
                raise EngineUnavailable("the engine is stopping")
            if failure == "INVALID_ARGUMENT":
                raise InvalidArgument(f"Command '{command.intent}' is larger than the engine's log takes (4 MB)")
            raise BackPressure(f"the engine is busy ({failure}); try again")

    def _type(self, value_type: str, intent: str) -> tuple[Any, Any, Any]:
        known = self._types.get((value_type, intent))
        if known is None:
            java_type = zeebe("protocol.record.ValueType").valueOf(value_type)
            record = zeebe("protocol.impl.record.UnifiedRecordValue").fromValueType(java_type)
            # By name: Intent.fromProtocolValue(type, text) does not know every type. JOB_BATCH has JobBatchIntent, and so on.
            intents = zeebe(f"protocol.record.intent.{value_type.title().replace('_', '')}Intent")
            java_intent = intents.valueOf(intent)
            known = self._types[(value_type, intent)] = (java_type, java_intent, record)
        return known
