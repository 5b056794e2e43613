"""Who did what in a case, read from our own event log, never from an eventually consistent search.

A log follows its engine by some milliseconds, or by seconds when something is slow. A decision must not be made on a log that lags, so the
reader waits for a *fence*: a record that the engine wrote after everything that matters. For a listener that is its own job: the engine writes
records in order, so a log that holds the job holds everything that was done before the job came about. The service, which has no job, waits
for the task itself; what happened beside the task since then is the listener's to see.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from camunda_workers.errors import EngineUnavailable, InvalidArgument
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.record import Record
from camunda_workers.tasks.duties.facts import Deed

PATIENCE: Final = 5.0
"""Seconds to wait for the log; the caller of a listener waits as long."""

_PARTITION_BITS: Final = 51
_MOST_REPLACED: Final = 10_000
_UNDERWAY: Final = {"ASSIGNING": "assign", "CLAIMING": "assign", "COMPLETING": "complete"}


class LogIsBehind(EngineUnavailable):
    """The event log has not seen yet what a decision must know. Worth trying again."""


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """What the log says about a case.

    Attributes:
        process_instance_keys: the process instances it consists of.
        deeds: completed user tasks, the oldest first.
        actor: who made the call that is under way for the task in question, where the engine knows.
        replaced: what the variables were that are being handed in with its completion; each of several scopes' own.
    """

    process_instance_keys: tuple[int, ...]
    deeds: tuple[Deed, ...]
    actor: str | None = None
    replaced: tuple[Mapping[str, Any], ...] = ()


class History(Protocol):
    """Knows what was done in a case, completely."""

    async def of(self, process_instance_key: int, *, business_id: str | None, task_key: int, fence: int | None = None) -> CaseHistory:
        """What was done.

        Args:
            process_instance_key: a process instance of the case.
            business_id: the case's id, where there is one.
            task_key: the task in question.
            fence: a key that the engine wrote after everything that matters; ``None``: what the log has now.

        Raises:
            LogIsBehind: the log does not get there in time.
        """
        ...


class LogHistory:
    """Reads the event log.

    Args:
        log: the log; another process may be the one that writes it.
        patience: seconds to wait for the fence.
        catch_up: makes the log follow at once, where it is pumped in this process.
    """

    def __init__(self, log: EventLog, *, patience: float = PATIENCE, catch_up: Callable[[], Awaitable[object]] | None = None) -> None:
        self._log = log
        self._model = ReadModel(log)
        self._patience = patience
        self._catch_up = catch_up

    async def of(self, process_instance_key: int, *, business_id: str | None, task_key: int, fence: int | None = None) -> CaseHistory:
        """See `History.of`."""
        await self._reach(process_instance_key, fence)
        keys = await self._family(process_instance_key, business_id)
        records = await self._user_tasks(keys)
        actors = [by for one in records if one.key == task_key and one.intent in _UNDERWAY and (by := _caller(one))]
        replaced = await self._replaced([one for one in records if one.key == task_key])
        return CaseHistory(tuple(keys), tuple(_deeds(records, task_key)), actors[-1] if actors else None, replaced)

    async def _replaced(self, records: Sequence[Record]) -> tuple[Mapping[str, Any], ...]:
        """What a completion under way would overwrite. The engine writes what is handed in only once its listeners have agreed."""
        now = next((one for one in reversed(records) if one.intent in _UNDERWAY), None)
        names = sorted(now.value.get("variables") or {}) if now is not None and now.intent == "COMPLETING" else []
        if now is None or not names:
            return ()
        where: Any = {"processInstanceKey": str(now.process_instance_key), "name": {"$in": names}}
        found = await self._model.search_variables(where, page={"limit": _MOST_REPLACED}, truncate=False)
        scopes: dict[str, dict[str, Any]] = {}
        for item in found["items"]:
            scopes.setdefault(str(item["scopeKey"]), {})[str(item["name"])] = json.loads(item["value"])
        return tuple(scopes.values())

    async def before(self, record: Record, *, business_id: str | None) -> CaseHistory:
        """What had been done in a case when the engine wrote this record about one of its tasks: for who looks at it afterwards."""
        key = record.process_instance_key
        if key is None:
            return CaseHistory((), ())
        keys = await self._family(key, business_id)
        records = [one for one in await self._user_tasks(keys) if (one.timestamp, one.position) < (record.timestamp, record.position)]
        actors = [by for one in records if one.key == record.key and one.intent in _UNDERWAY and (by := _caller(one))]
        return CaseHistory(tuple(keys), tuple(_deeds(records, record.key)), actors[-1] if actors else None)

    async def _reach(self, process_instance_key: int, fence: int | None) -> None:
        if self._catch_up is not None:
            await self._catch_up()
        if fence is None:
            return
        pause, waited = 0.005, 0.0
        while not await self._has(process_instance_key, fence):
            if waited >= self._patience:
                raise LogIsBehind(
                    f"the event log has not seen {fence} within {self._patience:g} seconds, so it is not known who did what: is the log written?"
                )
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, 0.1)

    async def _has(self, process_instance_key: int, key: int) -> bool:
        partition = key >> _PARTITION_BITS
        found = self._log.records(partition=partition, value_types={"JOB", "USER_TASK"}, process_instance_keys=[process_instance_key])
        async for record in found:
            if record.key == key:
                return True
        return False

    async def _family(self, process_instance_key: int, business_id: str | None) -> list[int]:
        """The process instances of a case: those with its business id, or, without one, callers and called ones."""
        if business_id:
            return sorted({process_instance_key, *await self._log.instances_of(business_id)})
        found = {process_instance_key}
        look_at = [process_instance_key]
        while look_at:
            key = look_at.pop()
            related = await self._related(key)
            look_at += [one for one in related if one not in found]
            found |= related
        return sorted(found)

    async def _related(self, key: int) -> set[int]:
        try:
            called = await self._model.search_process_instances({"parentProcessInstanceKey": str(key)})
            own = await self._model.search_process_instances({"processInstanceKey": str(key)})
        except InvalidArgument as error:
            raise LogIsBehind(f"the event log cannot say which process instances belong together: {error}") from error
        keys = {int(item["processInstanceKey"]) for item in called["items"]}
        keys |= {int(item["parentProcessInstanceKey"]) for item in own["items"] if item.get("parentProcessInstanceKey")}
        return keys

    async def _user_tasks(self, keys: Collection[int]) -> list[Record]:
        records: list[Record] = []
        for partition in sorted({key >> _PARTITION_BITS for key in keys}):
            mine = [key for key in keys if key >> _PARTITION_BITS == partition]
            found = self._log.records(partition=partition, value_types={"USER_TASK"}, process_instance_keys=mine)
            records += [record async for record in found if record.is_event]
        return sorted(records, key=lambda record: (record.timestamp, record.position))


def _deeds(records: Sequence[Record], task_key: int) -> Iterable[Deed]:
    """What was completed, and what is just being completed.

    Two tasks of a case may be completed at the same moment, by one person: neither is completed then when the listeners of both ask. The
    engine has put even those two in an order, so whichever came first counts for the other.
    """
    asked = max((one.position for one in records if one.key == task_key and one.intent == "COMPLETING"), default=None)
    callers: dict[int, str] = {}
    underway: dict[int, tuple[int, Deed]] = {}
    for record in records:
        if record.intent == "COMPLETING":
            if by := _caller(record):
                # The call carries who made it; what follows from it once the listeners have agreed does not.
                callers[record.key] = by
            underway[record.key] = (record.position, _deed(record, callers))
        elif record.intent in ("COMPLETION_DENIED", "CANCELED"):
            underway.pop(record.key, None)
        elif record.intent == "COMPLETED":
            underway.pop(record.key, None)
            yield _deed(record, callers)
    for position, deed in underway.values():
        if deed.task_key != task_key and (asked is None or position < asked):
            yield deed


def _deed(record: Record, callers: Mapping[int, str]) -> Deed:
    value = record.value
    who = (str(value.get("assignee") or ""), callers.get(record.key) or _caller(record))
    # Nobody known at all stays an empty text: rules say no then.
    people = tuple(dict.fromkeys(name for name in who if name)) or ("",)
    return Deed(str(value.get("bpmnProcessId") or ""), record.element_id or "", record.key, people)


def _caller(record: Record) -> str | None:
    name = record.authorizations.get("authorized_username")
    return name if isinstance(name, str) and name else None
