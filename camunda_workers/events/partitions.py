"""A cluster has several partitions, each with positions of its own; their records share one log and one read model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.projections import HISTORIES, PROJECTIONS, timeline
from camunda_workers.events.read_model import ReadModel

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog


class EveryPartition:
    """Folds whatever partitions the log has into the one read model; a `Follower`.

    Args:
        log: which; partitions that come later are noticed.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._models: dict[int, ReadModel] = {}

    async def catch_up(self) -> int:
        """Fold what is new; how many records were read for it."""
        read = 0
        for partition in sorted(await self._log.heads()):
            if partition not in self._models:
                chosen = (timeline.PROJECTION,) if partition == FACTS_PARTITION else (*PROJECTIONS, *HISTORIES)
                self._models[partition] = ReadModel(self._log, partition=partition, projections=chosen)
            read += await self._models[partition].catch_up()
        return read

    async def rebuild(self, name: str | None = None) -> None:
        """Forget what was folded and fold it again from the first record of every partition; see `ReadModel.rebuild`.

        Raises:
            InvalidArgument: there is no projection of that name.
        """
        await ReadModel(self._log, projections=(*PROJECTIONS, *HISTORIES)).rebuild(name)
        await self.catch_up()
