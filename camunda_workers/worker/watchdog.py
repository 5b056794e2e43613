"""Notices workers that have fallen silent: alive, with room for jobs, and without an answer from the engine for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from camunda_workers.worker.poller import Poller

_log = structlog.get_logger("camunda_workers.worker")

_LOOKS: Final = 8
"""How often it looks within the time after which a worker counts as silent."""


class Watchdog:
    """Looks after the pollers of a runner.

    Args:
        pollers: one for each worker.
        silent_after: how long a worker may be without an answer.
    """

    def __init__(self, pollers: Sequence[Poller], silent_after: timedelta) -> None:
        self._pollers = pollers
        self._limit = silent_after.total_seconds()
        self._silent: set[str] = set()

    def problems(self) -> dict[str, str]:
        """Job type to what is wrong with its worker now; empty when all is well."""
        return {poller.definition.job_type: problem for poller in self._pollers if (problem := self._problem(poller))}

    async def run(self) -> None:
        """Reports who falls silent and who is heard again, for ever."""
        while True:
            await asyncio.sleep(self._limit / _LOOKS)
            for poller in self._pollers:
                self._look(poller)

    def _look(self, poller: Poller) -> None:
        job_type = poller.definition.job_type
        silent = poller.silent_for() > self._limit
        if silent and job_type not in self._silent:
            self._silent.add(job_type)
            _log.warning("worker.silent", job_type=job_type, seconds=round(poller.silent_for(), 1), reason=poller.reason)
        if silent:
            # If it hangs in a request for whatever reason, a new one may get through.
            poller.restart(older_than=self._limit)
        elif job_type in self._silent:
            self._silent.discard(job_type)
            _log.info("worker.heard_again", job_type=job_type)

    def _problem(self, poller: Poller) -> str:
        seconds = poller.silent_for()
        if seconds > self._limit:
            return f"no answer from the engine for {seconds:.0f} s" + (f" ({poller.reason})" if poller.reason else "")
        if poller.reason and not poller.was_heard:
            return f"the engine has not answered yet ({poller.reason})"
        return ""
