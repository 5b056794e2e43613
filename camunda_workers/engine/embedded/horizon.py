"""What the engine waits for: timers, back-offs, deadlines and the end of messages by due time, and jobs that somebody holds or could take.

Fed from the log alone, so it is exact: an entry is there from the record that created it to the record that ended it. Virtual time
jumps from one due time to the next by it, and "settled" means by it that nothing is left that a running worker would do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.engine.embedded.documents import unpack
from camunda_workers.engine.embedded.java import java_class, jpype
from camunda_workers.engine.embedded.wiring import TIMEOUT_CHECK_MS

MESSAGE_CHECK_MS = 60_000
"""How often the engine throws away messages past their time to live: until then their ids are taken."""

_AT_ONCE = 5000
"""Records that are read with one call into Java (``java_side/…/Relevant.java``)."""

_KEY = struct.Struct(">qi")
_OVER = {"COMPLETED", "CANCELED", "ERROR_THROWN"}
_BACK_TO_WORKERS = {"TIMED_OUT", "YIELDED", "RECURRED_AFTER_BACKOFF"}


@dataclass(slots=True)
class Horizon:
    """A fold over TIMER, JOB, JOB_BATCH, INCIDENT and MESSAGE events.

    Attributes:
        due: due times (milliseconds since the epoch) by entry.
        free: types of jobs that wait for a worker, by key.
        held: types of jobs that a worker holds, by key.
        stuck: types of jobs without retries, by key; resolving their incident frees them.
    """

    due: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    free: dict[int, str] = field(default_factory=dict[int, str])
    held: dict[int, str] = field(default_factory=dict[int, str])
    stuck: dict[int, str] = field(default_factory=dict[int, str])

    def next_due(self) -> int | None:
        """Return the earliest due time."""
        return min(self.due.values(), default=None)

    def due_by(self, now: int) -> list[tuple[str, int]]:
        """Return the entries that are due."""
        return [entry for entry, time in self.due.items() if time <= now]

    def busy(self, served: Iterable[str]) -> dict[int, str]:
        """Return the jobs that are held, or could be taken by whoever serves these types."""
        types = set(served)
        return {**self.held, **{key: job_type for key, job_type in self.free.items() if job_type in types}}

    def apply(self, value_type: str, intent: str, key: int, value: Mapping[str, Any]) -> None:
        """Take one event."""
        if value_type == "TIMER":
            if intent == "CREATED":
                self.due["timer", key] = value["dueDate"]
            elif intent in ("TRIGGERED", "CANCELED"):
                self.due.pop(("timer", key), None)
        elif value_type == "JOB_BATCH" and intent == "ACTIVATED":
            for job_key, job in zip(value["jobKeys"], value["jobs"], strict=True):
                self.free.pop(job_key, None)
                self.held[job_key] = job.get("type") or value["type"]
                self.due["deadline", job_key] = job["deadline"] + TIMEOUT_CHECK_MS
        elif value_type == "INCIDENT" and intent == "RESOLVED" and value["jobKey"] in self.stuck:
            self.free[value["jobKey"]] = self.stuck.pop(value["jobKey"])
        elif value_type == "MESSAGE" and intent == "PUBLISHED":
            self.due["message", key] = value["deadline"] + MESSAGE_CHECK_MS
        elif value_type == "MESSAGE" and intent == "EXPIRED":
            self.due.pop(("message", key), None)
        elif value_type == "JOB":
            self._job(intent, key, value)

    def copy(self) -> Horizon:
        """Return one that does not change with this one."""
        return Horizon(dict(self.due), dict(self.free), dict(self.held), dict(self.stuck))

    def to_facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        due = [[kind, key, time] for (kind, key), time in self.due.items()]
        jobs = {name: [[key, kind] for key, kind in getattr(self, name).items()] for name in ("free", "held", "stuck")}
        return {"due": due, **jobs}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Horizon:
        """Make it from what :meth:`to_facts` returned."""
        return cls({(kind, key): time for kind, key, time in facts["due"]}, *(dict(facts[name]) for name in ("free", "held", "stuck")))

    def _job(self, intent: str, key: int, value: Mapping[str, Any]) -> None:
        if intent == "CREATED" or intent in _BACK_TO_WORKERS:
            self._leave(key)
            self.free[key] = value["type"]
        elif intent in _OVER:
            self._leave(key)
        elif intent == "FAILED":
            self._leave(key)
            if value["retries"] > 0 and value["retryBackoff"] > 0:
                self.due["back-off", key] = value["recurringTime"]
            elif value["retries"] > 0:
                self.free[key] = value["type"]
            else:
                self.stuck[key] = value["type"]
        elif intent == "TIMEOUT_UPDATED" and key in self.held:
            self.due["deadline", key] = value["deadline"] + TIMEOUT_CHECK_MS

    def _leave(self, key: int) -> None:
        self.free.pop(key, None)
        self.held.pop(key, None)
        self.stuck.pop(key, None)
        self.due.pop(("deadline", key), None)
        self.due.pop(("back-off", key), None)


class HorizonReader:
    """Feeds a horizon from the engine's log; reads only the headers of records that do not matter to it."""

    def __init__(self, log: Any, remembered: Mapping[str, Any] | None = None) -> None:
        self.horizon = Horizon()
        self.position = 0
        self._reader: Any = log.newLogStreamReader()
        if remembered:
            self.horizon = Horizon.from_facts(remembered["horizon"])
            self.position = int(remembered["horizon_position"])
            self._reader.seekToNextEvent(jpype.JLong(self.position))
        else:
            self._reader.seekToFirstEvent()
        self._events: Any = java_class("camunda_workers.Relevant")(self._reader)

    def catch_up(self, most: int | None = None) -> bool:
        """Read to the end of the log, or so many records; say whether there was anything new."""
        any_new = False
        while True:
            limit = _AT_ONCE if most is None else most
            found = bytes(memoryview(self._events.read(jpype.JInt(limit))).cast("B"))
            count = int(self._events.count())
            if count:
                any_new = True
                self.position = int(self._events.position())
                for value_type, intent, key, value in _events(found):
                    self.horizon.apply(value_type, intent, key, value)
            if count < limit or most is not None:
                return any_new

    def close(self) -> None:
        """Let go of the reader."""
        self._reader.close()


def _events(found: bytes) -> Iterator[tuple[str, str, int, Mapping[str, Any]]]:
    at = 0
    while at < len(found):
        names: list[str] = []
        for _ in range(2):
            names.append(found[at + 1 : at + 1 + found[at]].decode())
            at += 1 + found[at]
        key, length = _KEY.unpack_from(found, at)
        at += _KEY.size + length
        yield names[0], names[1], key, unpack(found[at - length : at])
