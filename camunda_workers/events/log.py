"""The event log: every record of the engine once, in order, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, Text, func, literal_column, select, text, update

from camunda_workers.events.chain.checkpoint import Head
from camunda_workers.events.chain.tree import Tree
from camunda_workers.events.database import Database
from camunda_workers.events.opening import prepare
from camunda_workers.events.reading import TEXT_COLUMNS, read_records
from camunda_workers.events.record import Record
from camunda_workers.events.schema import IS_JOB_BATCH, IS_PROCESS, heads, records, state
from camunda_workers.events.writing import Written, append_lines, read_heads

DEFAULT_FILE = "events.db"
"""The log's file in the data directory."""
FACTS_PARTITION = 0
"""Where our own facts are; the engine's partitions begin at 1."""
_REQUESTS: Final = 20_000
_LATEST: Final = 50_000
_NEIGHBOURS: Final = 200


class EventLog:
    """An append-only log of the engine's records, and of our own facts, in one SQLite file, in memory or in PostgreSQL.

    Records are kept exactly once by partition and position, and read back as the very text they came in. Rows can be neither changed nor
    removed (SQLite itself refuses it), and every one is a link of its partition's chain and a leaf of one Merkle tree. Only contents that may
    have to be erased lie apart.
    """

    def __init__(self, database: Database, log_id: str = "") -> None:
        self.database = database
        self.log_id = log_id
        self._tree: Tree | None = None
        self._grown = asyncio.Event()

    @classmethod
    def open(cls, path: Path | str = ":memory:", *, durable: bool = False) -> EventLog:
        """Open a log and create what is missing.

        Args:
            path: the file; ``":memory:"`` for one that is gone when closed; ``postgresql://user@host/name`` for PostgreSQL.
            durable: whether what was appended survives a power cut, too (SQLite; PostgreSQL always does).

        Raises:
            ReadModelError: it cannot be opened, is not a log, or was written by a version whose logs are not carried over.
            MissingExtra: PostgreSQL's driver is not installed.
        """
        text = str(path)
        target = text if text.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")) else Path(path)
        database = Database(None if text == ":memory:" else target, durable=durable)
        try:
            return cls(database, prepare(database))
        except BaseException:
            database.dispose()
            raise

    @property
    def path(self) -> Path | None:
        """The log's file; ``None`` when it is in memory or in PostgreSQL."""
        return self.database.path

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def append(self, lines: Sequence[bytes | str], *, partition: int = 1) -> int:
        """Add records in one transaction: all that are new, or none.

        Records that the log already has are skipped, so a batch may be handed over again after a crash.

        Args:
            lines: records as JSON, positions ascending.
            partition: the partition they come from.

        Returns:
            How many were new.

        Raises:
            ReadModelError: a record is not one, is out of order, belongs to another partition, or has a position at which the log holds
                something else (it belongs to another engine). Nothing was added.
        """
        if not lines:
            return 0
        return await self.grow(lambda connection, tree: append_lines(connection, lines, partition, tree))

    async def flush(self) -> None:
        """Make everything that was added survive a power cut, too.

        Raises:
            ReadModelError: the disk refuses.
        """
        if self.path is not None:
            await self.database.write(lambda connection: connection.execute(update(state).values(size=state.c.size)), durable=True)

    async def grow(self, work: Callable[[Connection, Tree | None], Written], *, durable: bool = False) -> int:
        """Add to the log in one transaction; for those who write records of their own, see `camunda_workers.events.facts`.

        Args:
            work: gets the tree's right edge, if it is known here.
            durable: whether it is to survive a power cut when this returns, because nobody could give it again.

        Returns:
            How many records were added.
        """
        written = await self.database.write(lambda connection: work(connection, self._tree), durable=durable)
        self._tree = written.tree  # only now: what was not committed has not grown
        if written.count:
            self._grown.set()
        return written.count

    async def wait(self, size: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for this process to add to the log; whether it is larger than ``size`` then."""
        self._grown.clear()
        if await self.size() > size:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._grown.wait()
        return await self.size() > size

    async def size(self) -> int:
        """How many records it has, over all partitions, archived ones too."""
        return await self.database.read(lambda connection: connection.scalar(select(state.c.size)) or 0)

    async def heads(self) -> dict[int, Head]:
        """Where every partition's chain is."""
        return await self.database.read(read_heads)

    async def position(self, partition: int = 1) -> int:
        """The highest position in the log; 0 when it is empty."""
        query = select(heads.c.position).where(heads.c.partition == partition)
        return await self.database.read(lambda connection: connection.scalar(query) or 0)

    async def record_at(self, position: int, partition: int = 1) -> Record | None:
        """The record at a position, if there is one."""
        query = select(*TEXT_COLUMNS).where(records.c.partition == partition, records.c.position == position)
        found = await self.database.read(lambda connection: read_records(connection, query))
        return found[0] if found else None

    async def records(
        self,
        *,
        after: int = 0,
        partition: int = 1,
        value_types: Collection[str] | None = None,
        process_instance_keys: Collection[int] | None = None,
        batch: int = 2000,
    ) -> AsyncIterator[Record]:
        """Records in order, read a batch at a time.

        Args:
            after: the position to begin behind.
            partition: the partition to read.
            value_types: only these, for example ``{"USER_TASK"}``.
            process_instance_keys: only records of these process instances.
            batch: how many to hold in memory at once.
        """
        c = records.c
        query = select(*TEXT_COLUMNS).order_by(c.position).limit(batch)
        in_partition, place = c.partition, c.position
        if value_types is not None:
            query = query.where(c.value_type.in_(sorted(value_types)))
        if process_instance_keys is not None:
            query = query.where(c.process_instance_key.in_(sorted(process_instance_keys)))
            # A sum has no index: SQLite would walk the whole partition in order, rather than find a few records and sort them.
            in_partition, place = c.partition + 0, c.position + 0
        query = query.where(in_partition == partition)
        while True:
            page = query.where(place > after)
            found = await self.database.read(lambda connection, page=page: read_records(connection, page))
            for record in found:
                yield record
            if len(found) < batch:
                return
            after = found[-1].position

    async def instances_of(self, business_id: str) -> list[int]:
        """The process instances of a case, called ones too, in the order in which they began."""
        return await self.database.read(lambda connection: instances_of(connection, business_id))

    async def process_definitions(self, keys: Collection[int]) -> list[Record]:
        """The records with which these process definitions were deployed; they carry the diagrams."""
        query = select(*TEXT_COLUMNS).where(
            text(IS_PROCESS), records.c.key.in_(sorted(keys)), records.c.record_type == "EVENT", records.c.intent == "CREATED"
        )
        return await self.database.read(lambda connection: read_records(connection, query))

    async def last_asked_for(self, job_type: str, *, partition: int = 1) -> int | None:
        """The position at which a worker last asked for jobs of this type, or was handed one.

        Returns:
            0 where none ever did, ``None`` where none did among the latest 20,000 requests: further back nobody looks.
        """
        c = records.c
        asked = "json::json #>> '{value,type}'" if self.database.is_postgresql else "json_extract(json, '$.value.type')"
        latest_first = select(c.position).where(c.partition == partition, text(IS_JOB_BATCH)).order_by(c.position.desc()).limit(_REQUESTS)
        requests = latest_first.add_columns(literal_column(asked, Text).label("type")).subquery()
        latest = select(requests.c.position).where(requests.c.type == job_type).limit(1)
        count = select(func.count()).select_from(latest_first.subquery())

        def find(connection: Connection) -> int | None:
            position = connection.scalar(latest)
            return position if position is not None else None if connection.scalar(count) == _REQUESTS else 0

        return await self.database.read(find)

    async def business_ids(self, limit: int = 10_000) -> list[str]:
        """The latest business ids in the log, the latest first, as far as its last 50,000 records that have one tell them."""
        c = records.c
        latest = select(c.business_id, c.seq).where(c.business_id.is_not(None)).order_by(c.seq.desc()).limit(_LATEST).subquery()
        query = select(latest.c.business_id).group_by(latest.c.business_id).order_by(func.max(latest.c.seq).desc()).limit(limit)
        return await self.database.read(lambda connection: list(connection.scalars(query)))

    async def business_ids_near(self, business_id: str, limit: int = 5) -> list[str]:
        """Business ids in the log that look like this one: among the latest, and those that stand beside it in the order of the alphabet."""
        c = records.c
        after = select(c.business_id).where(c.business_id >= business_id).order_by(c.business_id).distinct().limit(_NEIGHBOURS)
        before = select(c.business_id).where(c.business_id < business_id).order_by(c.business_id.desc()).distinct().limit(_NEIGHBOURS)
        beside = await self.database.read(lambda connection: [*connection.scalars(after), *connection.scalars(before)])
        folded = {name.casefold(): name for name in (*beside, *reversed(await self.business_ids()))}
        wanted = business_id.casefold()
        containing = [name for key, name in folded.items() if wanted and (wanted in key or key in wanted)]
        close = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=limit, cutoff=0.6)]
        return list(dict.fromkeys([*close, *containing]))[:limit]


def instances_of(connection: Connection, business_id: str) -> list[int]:
    """See `EventLog.instances_of`."""
    c = records.c
    # Answered by the index alone. Who has both a business id and a process instance's key has begun, so commands may be counted, too.
    query = select(c.process_instance_key).where(
        c.business_id == business_id, c.process_instance_key.is_not(None), c.partition + 0 != FACTS_PARTITION
    )
    return with_called(connection, list(connection.scalars(query.group_by(c.process_instance_key).order_by(func.min(c.seq)))))


def with_called(connection: Connection, keys: Collection[int]) -> list[int]:
    """These process instances and all that they called, and those called."""
    c = records.c
    found = list(keys)
    for key in found:  # grows while it is walked: called instances call others
        children = connection.scalars(
            select(c.process_instance_key).where(c.parent_instance_key == key, c.record_type == "EVENT").order_by(c.position)
        )
        found.extend(child for child in children if child not in found)
    return found


__all__ = ["DEFAULT_FILE", "FACTS_PARTITION", "EventLog", "instances_of", "with_called"]
