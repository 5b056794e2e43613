"""Folding projections anew, with something to see meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from camunda_workers.events.projections.base import positions

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog
    from camunda_workers.events.partitions import EveryPartition


async def rebuild(model: EveryPartition, log: EventLog, name: str | None = None, progress: Callable[[int, int], None] | None = None) -> int:
    """Forget what was folded and fold it again from the first record.

    Args:
        model: whose projections.
        log: the log that it is on.
        name: one projection; ``None`` for all.
        progress: told how far (positions) of how far.

    Returns:
        How far it came: the log's last position.

    Raises:
        InvalidArgument: there is no projection of that name.
    """
    head = await log.position()
    folding = asyncio.create_task(model.rebuild(name))
    try:
        while not (await asyncio.wait({folding}, timeout=0.2))[0]:
            if progress is not None:
                progress(await log.database.read(lambda connection: _reached(connection, name)), head)
        await folding
    finally:
        if not folding.done():
            folding.cancel()
    if progress is not None:
        progress(head, head)
    return head


def _reached(connection: Connection, name: str | None) -> int:
    query = select(func.min(positions.c.position)).where(positions.c.partition == 1)
    return connection.scalar(query if name is None else query.where(positions.c.name == name)) or 0
