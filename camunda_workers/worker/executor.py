"""Computes how a job ends. It calls the function and nothing else: no report, no log, no waiting."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never, cast

from camunda_workers.errors import BpmnError, JobFailed
from camunda_workers.worker import rules
from camunda_workers.worker.context import JobContext, enter, leave
from camunda_workers.worker.definition import Definition, Run
from camunda_workers.worker.middleware import Middleware, chain
from camunda_workers.worker.outcome import NOTHING, ActivateElement, AdHoc, Bpmn, Completed, Denied, Deny, Failed, Outcome
from camunda_workers.worker.parameters import InvalidInput
from camunda_workers.worker.result import InvalidResult, outcome_of, plain
from camunda_workers.worker.threads import Threads

if TYPE_CHECKING:
    from camunda_workers.worker.processes import Processes

MAX_RESULT: Final = 4 * 1024 * 1024 - 64 * 1024
"""Bytes of JSON that fit into the engine's default message size of 4 MB, with room for what goes around them."""

_LONGEST_MESSAGE = 10_000


@dataclass(frozen=True, slots=True)
class Report:
    """What is sent to the engine.

    Attributes:
        outcome: how the job ended.
        variables: plain JSON types, proven to be sendable.
    """

    outcome: Outcome
    variables: Mapping[str, Any]


class Executor:
    """Runs the jobs of one worker.

    Args:
        definition: the worker.
        resources: parameter name to the open resource.
        middleware: around each job, outermost first.
        threads: where plain functions run.
        processes: where plain functions that compute run.
        max_result: bytes of JSON the engine takes.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        resources: Mapping[str, Any],
        middleware: Sequence[Middleware] = (),
        threads: Threads | None = None,
        processes: Processes | None = None,
        max_result: int = MAX_RESULT,
    ) -> None:
        self._definition = definition
        self._resources = resources
        self._threads = threads
        self._processes = processes
        self._max_result = max_result
        self._call = chain(middleware, self._invoke)

    async def run(self, context: JobContext) -> Report:
        """Runs one job to its end; whatever its function does, this returns and does not raise."""
        token = enter(context)
        try:
            outcome = await self._call(context)
        except BaseException as error:
            # A middleware raised, or the cancellation arrived while one was waiting.
            outcome = self._outcome_of(error, context)
        finally:
            leave(token)
        await _settle_cancellation()
        return self._sealed(rules.checked(outcome, context, self._definition), context)

    async def _invoke(self, context: JobContext) -> Outcome:
        definition = self._definition
        try:
            arguments = definition.parameters.bind(context, self._resources)
        except InvalidInput as error:
            return Failed(self._about(context, str(error)), cause=error)
        try:
            if definition.run is Run.LOOP:
                value = await definition.function(**arguments)
            elif definition.run is Run.PROCESS:
                value = await self._in_process(arguments)
            else:
                value = await self._in_thread(partial(definition.function, **arguments))
            return outcome_of(value, result=definition.result)
        except InvalidResult as error:
            return Failed(self._about(context, str(error)), cause=error)
        except BaseException as error:
            return self._outcome_of(error, context)

    async def _in_process(self, arguments: dict[str, Any]) -> Any:
        if self._processes is None:
            from camunda_workers.worker.processes import Processes

            self._processes = Processes(self._definition.job_type, self._definition.max_running)
        return await self._processes.run(self._definition.function, arguments)

    async def _in_thread(self, call: partial[Any]) -> Any:
        if self._threads is None:
            self._threads = Threads(self._definition.job_type, self._definition.max_running)
        return await self._threads.run(call)

    def _outcome_of(self, raised: BaseException, context: JobContext) -> Outcome:
        error = _single(raised)
        match error:
            case Deny():
                return Denied(error.reason)
            case BpmnError():
                return Bpmn(error.code, error.message, error.variables)
            case JobFailed():
                return self._failed(error, context)
            case asyncio.CancelledError():
                if context.uses_retry:
                    return self._tried(error, context, context.cancel_reason or "")
                if context.cancel_reason is not None:
                    return Failed(context.cancel_reason, retries=context.retries, back_off=timedelta(0), cause=error)
                return self._tried(error, context, "the function cancelled itself")
            case Exception():
                return self._tried(error, context, describe(error))
            case _:
                return self._tried(error, context, f"the function raised {describe(error)}, which ends a program and not a job")

    def _failed(self, error: JobFailed, context: JobContext) -> Failed:
        decision = self._definition.retries.decide(error, retries=context.retries, chance=random.random())
        retries = decision.retries if error.retries is None else max(0, error.retries)
        back_off = decision.back_off if error.back_off is None else max(timedelta(0), error.back_off)
        return Failed(error.message, retries, back_off if retries else timedelta(0), error.variables, cause=error)

    def _tried(self, error: BaseException, context: JobContext, message: str) -> Failed:
        decision = self._definition.retries.decide(error, retries=context.retries, chance=random.random())
        return Failed(message, decision.retries, decision.back_off, cause=error)

    def _sealed(self, outcome: Outcome, context: JobContext) -> Report:
        match outcome:
            case Completed(variables=variables) | Bpmn(variables=variables):
                try:
                    if isinstance(outcome, Completed) and isinstance(outcome.result, AdHoc):
                        outcome = replace(outcome, result=self._plain_ad_hoc(outcome.result))
                    return Report(_clean(outcome), plain(variables, largest=self._max_result))
                except InvalidResult as error:
                    return Report(_clean(Failed(self._about(context, str(error)), cause=error)), NOTHING)
            case Failed(variables=variables):
                try:
                    return Report(_clean(outcome), plain(variables, largest=self._max_result))
                except InvalidResult as error:
                    # The failure itself matters more than what was to be shown with it.
                    return Report(
                        _clean(replace(outcome, message=f"{outcome.message} (and its variables were left out: {error})")), NOTHING
                    )
            case Denied():
                return Report(_clean(outcome), NOTHING)
            case _:
                assert_never(outcome)

    def _plain_ad_hoc(self, result: AdHoc) -> AdHoc:
        given = (ActivateElement(element) if isinstance(element, str) else element for element in result.activate)
        elements = tuple(replace(element, variables=plain(element.variables, largest=self._max_result)) for element in given)
        return replace(result, activate=elements, variables=NOTHING)

    def _about(self, context: JobContext, text: str) -> str:
        return f"job type '{context.type}' at element '{context.element_id}' ({self._definition.name}): {text}"


def describe(error: BaseException) -> str:
    """An exception in one line: its type and text, with the leaves of a group."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return "; ".join(describe(inner) for inner in group.exceptions[:3])
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be read)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _single(error: BaseException) -> BaseException:
    """The one exception in a group of one: a task group inside a function must not hide the BPMN error raised in it."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return _single(inner[0]) if len(inner) == 1 else cast("BaseException", error)


async def _settle_cancellation() -> None:
    """Takes back what is left of a cancellation, so that the report that follows is not hit by it."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return
    while task.cancelling():
        task.uncancel()
    with contextlib.suppress(asyncio.CancelledError):
        # Before Python 3.13 a function that cancelled itself and returned leaves one that strikes at the next wait: let it strike here.
        await asyncio.sleep(0)


def _clean(outcome: Outcome) -> Outcome:
    match outcome:
        case Failed() | Bpmn():
            text = _sendable(outcome.message)
            return outcome if text is outcome.message else replace(outcome, message=text)
        case Denied():
            text = _sendable(outcome.reason)
            return outcome if text is outcome.reason else replace(outcome, reason=text)
        case Completed():
            return outcome
        case _:
            assert_never(outcome)


def _sendable(text: str) -> str:
    """Text as the wire takes it: bounded and valid UTF-8, whatever was in the exception."""
    if len(text) > _LONGEST_MESSAGE:
        text = f"{text[:_LONGEST_MESSAGE]}… ({len(text):,} characters)"
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()
