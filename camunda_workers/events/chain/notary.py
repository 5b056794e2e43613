"""Signs checkpoints of a log: on an interval, and whenever it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import CamundaWorkersError, ReadModelError
from camunda_workers.events.bulk import upsert
from camunda_workers.events.chain.checkpoint import Checkpoint, open_checkpoint
from camunda_workers.events.chain.merkle import inclusion_proof, tree_root
from camunda_workers.events.chain.nodes import stored_tree
from camunda_workers.events.chain.note import Signer, Verifier
from camunda_workers.events.schema import checkpoints, records
from camunda_workers.events.writing import read_heads, read_size

if TYPE_CHECKING:
    from camunda_workers.events.chain.anchor import Anchor
    from camunda_workers.events.log import EventLog

_logger = logging.getLogger(__name__)

EVERY: Final = 10_000
"""Records between two checkpoints, at most."""
SECONDS: Final = 60.0
"""Seconds between two checkpoints while records come, at most."""
KEY_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"


def key_path(log: EventLog, folder: Path | None = None) -> Path:
    """Where a log's private key is: beside its file; for PostgreSQL in the data folder."""
    if log.path is not None:
        return log.path.with_suffix(KEY_SUFFIX)
    if folder is None:
        raise ReadModelError("a log that is not a file has no folder for its key: name the key's file")
    return folder / f"events-{log.log_id[:12]}{KEY_SUFFIX}"


def load_signer(path: Path, *, name: str) -> Signer:
    """The key in this file; made, readable by its owner only, when there is none. The public key is written beside it.

    Args:
        path: the private key's file.
        name: what a new key is called: the log's origin.

    Raises:
        ReadModelError: the file holds something else, or cannot be read or written.
    """
    try:
        if path.exists():
            return Signer.parse(path.read_text())
        signer = Signer.new(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(signer.to_text() + "\n")
        path.with_suffix(PUBLIC_SUFFIX).write_text(f"{signer.verifier}\n")
    except FileExistsError:  # another process made one at the same moment
        return Signer.parse(path.read_text())
    except OSError as error:
        raise ReadModelError(f"the log's key {path} cannot be used: {error.strerror or error}") from error
    return signer


def origin_of(log_id: str) -> str:
    """What a log is called in its checkpoints, unless its key has another name."""
    return f"camunda-workers/log/{log_id[:16]}"


class Notary:
    """Signs a log's checkpoints; follows a pump, or is asked.

    Args:
        log: which.
        signer: with which key.
        every: sign when so many records have come.
        seconds: sign when so much time has passed and anything has come.
        anchor: has what was signed stamped by an authority of others, in `running` and `stamp` only: nobody else waits for it.
    """

    def __init__(
        self,
        log: EventLog,
        signer: Signer,
        *,
        every: int = EVERY,
        seconds: float = SECONDS,
        clock: Clock | None = None,
        anchor: Anchor | None = None,
    ) -> None:
        self._log = log
        self._anchor = anchor
        self._signer = signer
        self._every = every
        self._seconds = seconds
        self._clock = clock or SystemClock()
        self._size = -1
        self._at = 0.0

    @property
    def verifier(self) -> Verifier:
        """The public key."""
        return self._signer.verifier

    async def catch_up(self) -> int:
        """Sign if it is due; how many records were signed for the first time."""
        if self._size < 0:
            self._size = await self._log.database.read(_signed_to)
            self._at = self._clock.now().timestamp()
        size = await self._log.size()
        new = size - self._size
        # A clock that was set back must not keep the log unsigned until it is that late again.
        if new < self._every and (new == 0 or 0 <= self._clock.now().timestamp() - self._at < self._seconds):
            return 0
        await self.sign()
        return new

    async def sign(self) -> str:
        """Sign what the log is now.

        Returns:
            The checkpoint, as a signed note. One of the same size is not signed again.
        """
        now = self._clock.now()
        # Whoever gets a checkpoint may keep it: after a power cut the log must not end before it, or have other salts in the same place.
        note = await self._log.database.write(lambda connection: self._sign(connection, now), durable=True)
        self._at = now.timestamp()
        return note

    async def stamp(self) -> None:
        """Have the latest checkpoint stamped, where there is an authority to ask, it is due, and it answers; says why not in the log of this process."""
        if self._anchor is not None:
            await self._anchor.catch_up()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sign what is new every so many seconds meanwhile, and once more at the end; a log that cannot be written is tried again."""
        running = asyncio.create_task(self._run(), name="camunda-workers-notary")
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await self._sign_new()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._sign_new()
            await self.stamp()

    async def _sign_new(self) -> None:
        try:
            if await self._log.size() > await self._log.database.read(_signed_to):
                await self.sign()
        except CamundaWorkersError as error:
            _logger.warning("the log was not signed, it is tried again: %s", error)

    def _sign(self, connection: Connection, now: datetime) -> str:
        size = read_size(connection, locked=True)
        self._size = size
        known = connection.scalar(select(checkpoints.c.note).where(checkpoints.c.size == size))
        if known is not None:
            return known
        root = tree_root(size, stored_tree(connection))
        note = Checkpoint(self._signer.verifier.name, size, root, read_heads(connection), now).sign(self._signer)
        upsert(connection, checkpoints, [{"size": size, "note": note}])
        return note


def _signed_to(connection: Connection) -> int:
    return connection.scalar(select(checkpoints.c.size).order_by(checkpoints.c.size.desc()).limit(1)) or 0


async def latest_checkpoint(log: EventLog) -> str | None:
    """The last signed checkpoint, as it was signed."""
    query = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    return await log.database.read(lambda connection: connection.scalar(query))


async def prove(log: EventLog, seqs: list[int], size: int) -> dict[int, list[bytes]]:
    """Inclusion proofs of these records in the tree of that size."""

    def find(connection: Connection) -> dict[int, list[bytes]]:
        subtree = stored_tree(connection)
        return {seq: inclusion_proof(seq, size, subtree) for seq in seqs}

    return await log.database.read(find)


async def place_of(log: EventLog, position: int, partition: int = 1) -> int:
    """A record's place in the log.

    Raises:
        ReadModelError: there is no such record.
    """
    query = select(records.c.seq).where(records.c.partition == partition, records.c.position == position)
    seq = await log.database.read(lambda connection: connection.scalar(query))
    if seq is None:
        raise ReadModelError(f"the log has no record at position {position} of partition {partition}")
    return seq


__all__ = [
    "EVERY",
    "SECONDS",
    "Notary",
    "key_path",
    "latest_checkpoint",
    "load_signer",
    "open_checkpoint",
    "origin_of",
    "place_of",
    "prove",
]
