"""Effectively once: the outcome of an idempotent worker is stored, and a second delivery of the same work reports it again.

The key of a piece of work is its process instance, element instance and business id, so every try and every redelivery has the same one. One
delivery at a time holds the key for as long as its function runs. Where the store cannot be reached, nothing is run: for these workers a
late effect is better than a second one.

What no store can know is whether a process that was killed in the middle of its function had reached the effect. The next delivery runs the
function again, with the same `idempotency_key`: hand that to the system the effect is in.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, Self, assert_never, cast

import structlog

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.executor import Report
from camunda_workers.worker.jobs import Runs
from camunda_workers.worker.kinds import JobKind
from camunda_workers.worker.outcome import (
    NOTHING,
    ActivateElement,
    AdHoc,
    Bpmn,
    Completed,
    Corrected,
    Denied,
    Failed,
    Outcome,
)
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

UNREACHABLE_BACK_OFF: Final = timedelta(seconds=5)
"""How long the engine waits before it hands out a job that could not be run because the store was away."""

_LONGEST_WAIT = timedelta(seconds=10)
RETENTION: Final = timedelta(days=7)
"""How long outcomes are kept; no engine redelivers later than a job's timeout after its last delivery."""


class StoreUnavailable(CamundaWorkersError):
    """The store cannot be asked."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The key is ours now."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The work is done; this is its outcome."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Another delivery of the work holds the key, for so many seconds at most unless it renews."""

    seconds: float


class IdempotencyStore(AbstractAsyncContextManager[Any], Protocol):
    """Keeps outcomes by key. All methods raise `StoreUnavailable`."""

    @property
    def kept_in_memory(self) -> bool:
        """Whether outcomes are forgotten when this process ends."""
        ...

    async def __aenter__(self) -> Self:
        """Opens it."""
        ...

    async def begin(self, key: str, owner: str, lease: float) -> Begun | Stored | Busy:
        """Takes a key for so many seconds, if there is no outcome and nobody else has it."""
        ...

    async def renew(self, key: str, owner: str, lease: float) -> None:
        """Keeps a key for so many seconds from now, if it is still the owner's."""
        ...

    async def finish(self, key: str, owner: str, outcome: str) -> None:
        """Stores the outcome; one that is there already stays."""
        ...

    async def release(self, key: str, owner: str) -> None:
        """Gives a key back without an outcome, if it is still the owner's."""
        ...


def idempotency_key(context: JobContext) -> str:
    """The key of a job's work: the same for each try and each delivery of it, and for no other work."""
    parts = [
        context.tenant_id,
        context.type,
        str(context.process_instance_key),
        str(context.element_instance_key),
        context.business_id or "",
    ]
    if context.kind is not JobKind.BPMN_ELEMENT:
        # A listener or an ad-hoc sub-process has many jobs in one element instance, each of them different work.
        parts.append(str(context.key))
    return ":".join(parts)


class Idempotent:
    """Runs jobs of one worker at most once at a time, and not again once they have an outcome.

    Args:
        inner: computes outcomes.
        store: keeps them.
        definition: the worker.
        stats: counts replays.
    """

    def __init__(self, inner: Runs, store: IdempotencyStore, definition: Definition, stats: WorkerStats) -> None:
        self._inner = inner
        self._store = store
        self._lease = definition.timeout.total_seconds()
        self._stats = stats

    async def run(self, context: JobContext) -> Report:
        """Runs a job, or gives the outcome that it had."""
        key, owner = idempotency_key(context), uuid.uuid4().hex
        try:
            state = await self._store.begin(key, owner, self._lease)
        except StoreUnavailable as error:
            _log.error("job.store_unreachable", **context.log_keys(), reason=str(error))
            text = f"not run, because the store of outcomes cannot be reached and it must not run twice: {error}"
            return Report(Failed(text, retries=context.retries, back_off=UNREACHABLE_BACK_OFF), NOTHING)
        except asyncio.CancelledError:
            return Report(Failed(context.cancel_reason or "cancelled", retries=context.retries), NOTHING)
        match state:
            case Stored(outcome=text):
                self._stats.replayed += 1
                _log.info("job.replayed", **context.log_keys())
                return read_report(text)
            case Busy(seconds=seconds):
                _log.info("job.runs_elsewhere", **context.log_keys())
                wait = min(timedelta(seconds=max(seconds, 0.1)), _LONGEST_WAIT)
                return Report(Failed("another delivery of this work is running", retries=context.retries, back_off=wait), NOTHING)
            case Begun():
                return await self._held(context, key, owner)
            case _:
                assert_never(state)

    async def _held(self, context: JobContext, key: str, owner: str) -> Report:
        renewing = asyncio.create_task(self._renew(key, owner))
        try:
            report = await self._inner.run(context)
        finally:
            renewing.cancel()
        # A stop of the runner must not come between the effect and the note of it.
        await _shielded(self._conclude(context, key, owner, report))
        return report

    async def _conclude(self, context: JobContext, key: str, owner: str, report: Report) -> None:
        try:
            if isinstance(report.outcome, Failed):
                await self._store.release(key, owner)
            else:
                await self._store.finish(key, owner, write_report(report))
        except StoreUnavailable as error:
            # The outcome itself is still reported; only if that is lost too would the next delivery run the function again.
            _log.error("job.outcome_not_stored", **context.log_keys(), reason=str(error))

    async def _renew(self, key: str, owner: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._store.renew(key, owner, self._lease)
            except StoreUnavailable as error:
                _log.warning("job.lease_not_renewed", key=key, reason=str(error))


async def _shielded(work: Any) -> None:
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            while current is not None and current.cancelling():
                current.uncancel()
    task.result()


def write_report(report: Report) -> str:
    """An outcome as text."""
    outcome = report.outcome
    match outcome:
        case Completed(result=result):
            fields: dict[str, Any] = {"kind": "completed", "variables": dict(report.variables)}
            if isinstance(result, Corrected):
                fields["corrected"] = asdict(result)
            elif isinstance(result, AdHoc):
                fields["ad_hoc"] = asdict(result)
        case Bpmn():
            fields = {"kind": "bpmn", "code": outcome.code, "message": outcome.message, "variables": dict(report.variables)}
        case Denied():
            fields = {"kind": "denied", "reason": outcome.reason}
        case Failed():
            raise ValueError("a failure is no outcome to keep")
        case _:
            assert_never(outcome)
    return json.dumps(fields, ensure_ascii=False, default=_text)


def read_report(text: str) -> Report:
    """The outcome that `write_report` has written."""
    fields = cast("dict[str, Any]", json.loads(text))
    variables: Mapping[str, Any] = fields.get("variables") or NOTHING
    return Report(_outcome(fields, variables), variables)


def _outcome(fields: Mapping[str, Any], variables: Mapping[str, Any]) -> Outcome:
    match fields["kind"]:
        case "bpmn":
            return Bpmn(fields["code"], fields["message"], variables)
        case "denied":
            return Denied(fields["reason"])
        case _ if "corrected" in fields:
            return Completed(variables, Corrected(**fields["corrected"]))
        case _ if "ad_hoc" in fields:
            given = dict(fields["ad_hoc"])
            given["activate"] = tuple(ActivateElement(**element) for element in given["activate"])
            return Completed(variables, AdHoc(**given))
        case _:
            return Completed(variables)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an outcome")
