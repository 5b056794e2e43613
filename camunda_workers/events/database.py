"""One database, SQLite or PostgreSQL, used from asyncio: one thread writes, a few read, and nothing blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from camunda_workers.errors import MissingExtra, ReadModelError

T = TypeVar("T")

READERS = 2
BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process (a second command line, say) that is just writing."""
CONNECT_TIMEOUT = 10


class Database:
    """A SQLite database in write-ahead mode, or a PostgreSQL database.

    SQLite runs with ``synchronous=NORMAL``: a crash of the process loses nothing; a power cut may lose the last transactions, but never tears
    one and never corrupts the file. That is enough where whatever is lost is still in the engine and is read again from the log's highest
    position. A source that forgets what it has handed over, such as an exporter that is told "stored", needs ``durable``.

    Args:
        target: a file; ``None`` for a database in memory; an address (``postgresql://user@host/name``) for PostgreSQL.
        durable: whether a commit survives a power cut, too.
    """

    def __init__(self, target: Path | str | None, *, durable: bool = False) -> None:
        self.path = target if isinstance(target, Path) else None
        self.address = target if isinstance(target, str) else None
        options: dict[str, Any] = {"check_same_thread": False, "timeout": BUSY_TIMEOUT}
        if self.address is not None:
            self._engine = _postgresql(self.address)
            self._name = make_url(self.address).render_as_string(hide_password=True)
        elif self.path is None:
            self._engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
            self._name = "in memory"
        else:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ReadModelError(f"the event log {self.path} cannot be used: {error}") from error
            self._engine = create_engine(f"sqlite:///{self.path}", poolclass=QueuePool, pool_size=READERS + 1, connect_args=options)
            self._name = str(self.path)
        in_memory = self.address is None and self.path is None
        self._writer = ThreadPoolExecutor(1, "event-log-writer")
        self._readers = self._writer if in_memory else ThreadPoolExecutor(READERS, "event-log-reader")
        if self.address is None:
            pragmas = (
                "journal_mode=WAL",
                f"synchronous={'FULL' if durable else 'NORMAL'}",
                "temp_store=MEMORY",
                "cache_size=-32000",
                "trusted_schema=OFF",
            )
            event.listen(self._engine, "connect", _prepare(pragmas))
            event.listen(self._engine, "begin", _begin)

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.address is not None

    @property
    def engine(self) -> Any:
        """SQLAlchemy's engine, for what needs a connection of its own (migrations, a notification)."""
        return self._engine

    def run(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Do this in a transaction, in the calling thread (for opening the file)."""
        try:
            with self._engine.connect().execution_options(writes=True) as connection, _synced(connection, durable), connection.begin():
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise ReadModelError(f"the event log {self.name} cannot be used: {_reason(error)}") from error
        except Exception as error:
            if _is_drivers(error):  # the hot path speaks to the driver itself
                raise ReadModelError(f"the event log {self.name} cannot be used: {_reason(error)}") from error
            raise

    def query(self, work: Callable[[Connection], T], doing: str = "read") -> T:
        """Do this on one consistent view of the database, in the calling thread."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if self.is_postgresql else {}
        try:
            with self._engine.connect().execution_options(**options) as connection:
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise ReadModelError(f"the event log {self.name} cannot be {doing}: {_reason(error)}") from error

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Do this in one transaction, after every write that was asked for earlier. Cancelling the caller does not tear it.

        Args:
            work: what to do.
            durable: whether it, and every write before it, is to survive a power cut, too; only if it writes anything.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, lambda: self.run(work, durable=durable))

    async def maintain(self, *statements: str) -> None:
        """Run statements that no transaction can hold, after every write that was asked for earlier."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._maintain, statements)

    def _maintain(self, statements: tuple[str, ...]) -> None:
        connection: Any = self._engine.raw_connection()
        try:
            if self.is_postgresql:
                connection.driver_connection.autocommit = True
            for statement in statements:
                cursor = connection.cursor()
                cursor.execute(statement)
                if cursor.description is not None:
                    cursor.fetchall()
                cursor.close()
        except Exception as error:
            raise ReadModelError(f"the event log {self.name} cannot be used: {_reason(error)}") from error
        finally:
            if self.is_postgresql:
                connection.driver_connection.autocommit = False
            connection.close()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do this on one consistent view of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.query, work)

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        for pool in {self._writer, self._readers}:
            await asyncio.to_thread(pool.shutdown)
        self._engine.dispose()

    def dispose(self) -> None:
        """Let go of the file when it could not even be opened."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    @property
    def name(self) -> str:
        """What to call it in a message; without a password."""
        return self._name


def _postgresql(address: str) -> Any:
    try:
        import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingExtra("postgres", "an event log in PostgreSQL") from error
    url = make_url(address).set(drivername="postgresql+psycopg")
    # A server that was restarted has closed its connections: each is tried before it is used.
    return create_engine(
        url, poolclass=QueuePool, pool_size=READERS + 1, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT}
    )


def _prepare(pragmas: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def prepare(connection: Any, _record: Any) -> None:
        # Transactions are begun by us (below): sqlite3's own way begins none for a SELECT, so a count and its page could disagree.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return prepare


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read transaction fails without waiting when another process wrote in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _synced(connection: Connection, durable: bool) -> Generator[None]:
    """One transaction with a sync at its end, of the whole write-ahead log.

    SQLite itself has to do it: a file that this process opened and closed beside SQLite would take SQLite's locks with it, and the next process
    to look at the log would remove the write-ahead log from under this one.
    """
    if not durable or connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    before = driver.execute("PRAGMA synchronous").fetchone()[0]
    driver.execute("PRAGMA synchronous=FULL")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA synchronous={before}")


def _is_drivers(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in {"psycopg", "sqlite3"}


def _reason(error: BaseException) -> str:
    origin = getattr(error, "orig", None)
    return str(origin if origin is not None else error).strip()
