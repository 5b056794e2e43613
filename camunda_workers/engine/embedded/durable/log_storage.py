"""The engine's ``LogStorage`` on a file: a batch is on disk before anybody, the engine included, gets to see it.

Batches gather in Java (``java_side/…/DurableLog.java``) and are committed in groups by a thread of their own: while one commit waits for the
disk the next group gathers. The engine reads only what has been committed, so a command is durable before it is processed. What the engine then
says of it (an answer, a job pushed to a worker) waits for :meth:`SqliteLog.when_on_disk`, so that the events behind it are durable too: keys
that somebody was told stay true.
"""

from __future__ import annotations

import functools
import logging
import sqlite3
import struct
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.durable.log_file import Batch, LogFile
from camunda_workers.engine.embedded.java import java_class, jpype
from camunda_workers.errors import BackPressure

_logger = logging.getLogger(__name__)

_HEAD = struct.Struct(">qqi")
_RETRY_SECONDS = 0.5
_LOOK_MS = 1000


class SqliteLog:
    """The storage; :attr:`storage` is what the engine takes for its ``LogStorage``.

    Args:
        path: the database file.
        on_trouble: told when batches cannot be written (with the reason) and when they can again (with None); from another thread.

    Attributes:
        file: the log as a file.
        committed: the last position that is on disk and can be read.

    Raises:
        ReadModelError: the file is damaged.
    """

    def __init__(self, path: Path, on_trouble: Callable[[str | None], None]) -> None:
        self.file = LogFile(path)
        self._path = path
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._on_disk = threading.Condition(self._lock)
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._delivering = False
        self._delete_below = 0
        self._closing = threading.Event()
        self._trouble: str | None = None
        self.committed = self.file.committed
        self.storage: Any = java_class("camunda_workers.DurableLog")(jpype.JLong(self.committed), _disk_class()(self.file))
        self._flusher = threading.Thread(target=self._flush_forever, name="camunda-workers-log", daemon=True)
        self._flusher.start()

    def close(self) -> None:
        """Commit what is pending and close the file."""
        self._closing.set()
        self.storage.wake()
        self._flusher.join()
        self.file.close()

    def sync(self, timeout: float = 30.0) -> None:
        """Return when everything that has been appended until now is on disk.

        Raises:
            BackPressure: it cannot be written, or not in time.
        """
        target = int(self.storage.appended())
        with self._on_disk:
            self._on_disk.wait_for(lambda: self.committed >= target or self._trouble is not None or not self._flusher.is_alive(), timeout)
            if self.committed < target:
                raise BackPressure(self._trouble or f"the engine's log {self._path} could not be written in {timeout:g} s")

    def when_on_disk(self, then: Callable[[], None]) -> None:
        """Call back, in order, when everything that has been appended until now is on disk: at once, or from the committing thread."""
        target = int(self.storage.appended())
        with self._lock:
            if self.committed < target or self._delivering:
                self._waiting.append((target, then))
                return
        then()

    def compact(self, below: int) -> None:
        """Remove batches that end below this position, soon."""
        with self._lock:
            self._delete_below = max(self._delete_below, below)
        self.storage.wake()

    # -- the committing thread --------------------------------------------------------------------------------------------------

    def _flush_forever(self) -> None:
        while True:
            group = _batches(bytes(memoryview(self.storage.take(jpype.JLong(0 if self._delete_below else _LOOK_MS))).cast("B")))
            if self._closing.is_set() and (not group or self._trouble is not None):
                return
            try:
                if group:
                    self.file.append(group)
                    self.storage.committed()
                    self._publish(group[-1].high)
                if self._delete_below and not self.file.delete_some_below(self._delete_below):
                    self._delete_below = 0
            except (sqlite3.Error, OSError) as error:
                self._tell(f"the engine's log {self._path} cannot be written: {error}")
                self._closing.wait(_RETRY_SECONDS)
            else:
                self._tell(None)

    def _tell(self, trouble: str | None) -> None:
        with self._lock:
            if trouble == self._trouble:
                return
            self._trouble = trouble
            self._on_disk.notify_all()
        try:
            self._on_trouble(trouble)
        except RuntimeError:
            _logger.warning("nobody is left to be told: %s", trouble)  # the event loop is closed

    def _publish(self, committed: int) -> None:
        with self._lock:
            self.committed = committed
            self._on_disk.notify_all()
        while ready := self._ready():
            for then in ready:
                try:
                    then()
                except Exception:
                    _logger.exception("whoever waited for the engine's log failed")  # the thread that commits goes on

    def _ready(self) -> list[Callable[[], None]]:
        ready: list[Callable[[], None]] = []
        with self._lock:
            while self._waiting and self._waiting[0][0] <= self.committed:
                ready.append(self._waiting.popleft()[1])
            self._delivering = bool(ready)
        return ready


def _batches(group: bytes) -> list[Batch]:
    found: list[Batch] = []
    at = 0
    while at < len(group):
        low, high, length = _HEAD.unpack_from(group, at)
        at += _HEAD.size + length
        found.append(Batch(low, high, group[at - length : at]))
    return found


@functools.cache
def _disk_class() -> Any:
    @jpype.JImplements("java.util.function.LongFunction")
    class Disk:
        """Gives Java the batches that it does not have in memory."""

        def __init__(self, file: LogFile) -> None:
            self._file = file

        @jpype.JOverride
        def apply(self, position: Any) -> Any:
            batches = self._file.read(int(position))
            read = b"".join(_HEAD.pack(low, high, len(data)) + data for low, high, data in batches)
            return jpype.JArray(jpype.JByte)(read)

    return Disk
