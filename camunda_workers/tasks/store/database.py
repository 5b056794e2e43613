"""The database of what is ours about tasks: SQLite by default, PostgreSQL by URL; used from asyncio without blocking it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Insert, create_engine, event, inspect, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from camunda_workers.errors import MissingExtra, ReadModelError
from camunda_workers.tasks.store.tables import VERSION, drafts, metadata, versions

T = TypeVar("T")

DEFAULT_FILE: Final = "tasks.db"
"""The store's file in the data directory."""

_THREADS: Final = 4
_BUSY: Final = 10.0


class StoreDatabase:
    """A database that threads of its own talk to.

    Unlike the event log, what is in here is nowhere else: a transaction is on the disk before the caller hears of it.

    Args:
        where: a file, ``":memory:"``, or a URL such as ``postgresql://host/name``.
    """

    def __init__(self, where: Path | str) -> None:
        text = str(where)
        self.is_sqlite = "://" not in text
        options: dict[str, Any] = {}
        if text == ":memory:":
            url, threads = "sqlite://", 1
            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        elif self.is_sqlite:
            Path(text).parent.mkdir(parents=True, exist_ok=True)
            # One thread: SQLite has one writer, and these transactions are short.
            url, threads = f"sqlite:///{text}", 1
            options = {"connect_args": {"check_same_thread": False, "timeout": _BUSY}}
        else:
            # The driver that the extra brings, unless another one is named.
            url, threads = text.replace("postgresql://", "postgresql+psycopg://", 1), _THREADS
            options = {"pool_size": _THREADS, "pool_pre_ping": True}
        try:
            self._engine = create_engine(url, **options)
        except ModuleNotFoundError:
            raise MissingExtra("postgres", f"A task store at {url.split('://', 1)[0]}") from None
        self._name = text if self.is_sqlite else self._engine.url.render_as_string(hide_password=True)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare)
            event.listen(self._engine, "begin", _begin)
        self._threads = ThreadPoolExecutor(threads, "task-store")

    def create(self) -> None:
        """Make the tables, or bring those of an earlier version up to date.

        Raises:
            ReadModelError: the database cannot be used, or was written by a newer version.
        """
        found = self._run(_version)
        if found == VERSION:
            return
        if found is None and self.is_sqlite:
            self._run(_make)  # a new file needs no migrations, and not the time it takes to load them
            return
        from camunda_workers.tasks.store.migrations.run import upgrade

        self._run(lambda connection: upgrade(connection, self._name))

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do this in one transaction. Cancelling the caller does not tear it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            origin = getattr(error, "orig", None) or error
            raise ReadModelError(f"the task store {self._name} cannot be used: {origin}") from error

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


def _version(connection: Connection) -> str | None:
    """The version of the tables; ``early`` for those of the time before there were versions, ``None`` where there are none."""
    names = set(inspect(connection).get_table_names())
    if versions.name in names:
        return connection.scalar(select(versions.c.version_num)) or "early"
    return "early" if drafts.name in names else None


def _make(connection: Connection) -> None:
    if _version(connection) is None:  # otherwise another process was first
        metadata.create_all(connection)
        connection.execute(versions.insert().values(version_num=VERSION))


def inserted(connection: Connection, statement: Insert) -> bool:
    """Insert a row; ``False`` when another transaction was faster with the same key."""
    try:
        with connection.begin_nested():
            connection.execute(statement)
    except IntegrityError:
        return False
    return True


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # At once: a read that turns into a write fails without waiting when another process wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
