"""Recordings of tests, opened again as what the engine's records say."""

from __future__ import annotations

import json
from pathlib import Path

from camunda_workers.events.recording import read_recording
from camunda_workers.testing.journal import Journal


class _Lines:
    """A record source over the lines of a file."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = [(int(json.loads(line)["position"]), line) for line in lines]

    async def read(self, after: int, limit: int) -> list[str]:
        return [line for position, line in self._lines if position > after][:limit]

    async def wait(self, after: int, timeout: float) -> bool:
        del timeout
        return bool(await self.read(after, 1))


async def replay(path: Path | str) -> Journal:
    """Open a recording: a journal that knows what was the case at its end.

    Raises:
        ReadModelError: there is no such file, or it holds something else.
    """
    journal = Journal(_Lines(read_recording(Path(path))))
    await journal.catch_up()
    return journal
