"""Outcomes of idempotent workers in this process's memory: for development and tests."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from camunda_workers.worker.idempotency import RETENTION, Begun, Busy, Stored

_MOST = 100_000


@dataclass(slots=True)
class _Entry:
    owner: str
    until: float
    outcome: str | None = None


class MemoryStore:
    """Keeps the last 100,000 outcomes; they are gone when the process ends, and no other process sees them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @property
    def kept_in_memory(self) -> bool:
        """True."""
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    async def begin(self, key: str, owner: str, lease: float) -> Begun | Stored | Busy:
        """See `IdempotencyStore`."""
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None and entry.until > now:
            return Busy(entry.until - now) if entry.outcome is None else Stored(entry.outcome)
        self._entries[key] = _Entry(owner, now + lease)
        self._entries.move_to_end(key)
        while len(self._entries) > _MOST:
            self._entries.popitem(last=False)
        return Begun()

    async def renew(self, key: str, owner: str, lease: float) -> None:
        """See `IdempotencyStore`."""
        if (entry := self._mine(key, owner)) is not None:
            entry.until = time.monotonic() + lease

    async def finish(self, key: str, owner: str, outcome: str) -> None:
        """See `IdempotencyStore`."""
        entry = self._entries.get(key)
        if entry is None or entry.outcome is None:
            self._entries[key] = _Entry(owner, time.monotonic() + RETENTION.total_seconds(), outcome)

    async def release(self, key: str, owner: str) -> None:
        """See `IdempotencyStore`."""
        if self._mine(key, owner) is not None:
            del self._entries[key]

    def _mine(self, key: str, owner: str) -> _Entry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and entry.owner == owner and entry.outcome is None else None
