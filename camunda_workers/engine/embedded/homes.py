"""Where an engine's log and state live: in memory for as long as it runs, or (``durable``) in a folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal, Protocol

from camunda_workers.engine.embedded.java import java_class, meter_supplier, zeebe
from camunda_workers.engine.embedded.versions import memory_database

State = Literal["memory", "rocksdb"]

PARTITION = 1


class Home(Protocol):
    """What the wiring needs of it.

    Attributes:
        log_storage: the engine's ``LogStorage``.
        database: the engine's ``ZeebeDb``.
        clock_offset: milliseconds by which the engine's clock is ahead of the real one.
    """

    log_storage: Any
    database: Any
    clock_offset: int

    def close(self) -> None:
        """Let go of everything, after the engine has stopped."""
        ...


class MemoryHome:
    """Log in memory; state in memory (fastest start) or in RocksDB (stays fast with thousands of open instances).

    An engine version that brings no state in memory (8.9) has it in RocksDB, in a temporary folder, whatever was asked for.
    """

    def __init__(self, state: State) -> None:
        self.log_storage: Any = java_class("camunda_workers.MemoryLog")()
        self.clock_offset = 0
        self._folder: Path | None = None
        self.database: Any = memory_database() if state == "memory" else None
        if self.database is None:
            self._folder = Path(tempfile.mkdtemp(prefix="camunda-workers-"))
            self.database = open_rocksdb(self._folder / "runtime")

    def close(self) -> None:
        """Throw everything away."""
        self.database.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def open_rocksdb(folder: Path) -> Any:
    """Open the engine's state in a folder, a new one where there is none."""
    access = zeebe("db.AccessMetricsConfiguration")(zeebe("db.AccessMetricsConfiguration$Kind").NONE, PARTITION)
    configuration = zeebe("db.impl.rocksdb.RocksDbConfiguration")()
    checks = zeebe("db.ConsistencyChecksSettings")()
    factory = zeebe("db.impl.rocksdb.ZeebeRocksDbFactory")(configuration, checks, access, meter_supplier())
    return factory.createDb(java_class("java.io.File")(str(folder)))
