"""The broker's clock, which can be moved forward where it was started for that."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from camunda_workers.errors import ConfigurationError, EngineUnavailable, InvalidArgument, NotSupported

FILE = "clock.json"
"""Keeps how far a folder's clock was moved, since the broker itself forgets it when it ends."""
_MILLISECOND = timedelta(milliseconds=1)


class BrokerClock:
    """The time a broker lives in: the machine's own, moved by what `advance` added.

    Args:
        management_address: base of the broker's management API.
        data: its data folder.
        controlled: whether it was started with a clock that can be moved.

    Raises:
        ConfigurationError: this folder's clock was moved, and would now jump back.
    """

    def __init__(self, management_address: str, data: Path, *, controlled: bool) -> None:
        self._address = management_address
        self._file = data / FILE
        self._controlled = controlled
        self._offset = timedelta(milliseconds=json.loads(self._file.read_text())["offset_ms"]) if self._file.exists() else timedelta()
        if self._offset and not controlled:
            raise ConfigurationError(
                f"the clock of {data} was moved by {self._offset}, and without a controlled clock it would jump back: "
                "start it with --controlled-clock (controlled_clock=True), or use another folder"
            )

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of the machine's own."""
        return self._offset

    def now(self) -> datetime:
        """The present moment in the broker, aware and in UTC."""
        return datetime.now(UTC) + self._offset

    async def advance(self, by: timedelta) -> None:
        """Move the broker's time forward.

        Timers, deadlines and back-offs that are due then fire within moments, not before this returns: wait for what they do.

        Args:
            by: how far; whole milliseconds.

        Raises:
            NotSupported: the broker was started without a controlled clock.
            InvalidArgument: backwards.
            EngineUnavailable: the broker does not answer.
        """
        if not self._controlled:
            raise NotSupported("this broker's clock cannot be moved: start it with --controlled-clock (controlled_clock=True)")
        if by < timedelta():
            raise InvalidArgument(f"time cannot go back (advance by {by})")
        offset = self._offset + by
        # Written first: after a crash in between, the next start moves the clock to where it was wanted.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"offset_ms": offset // _MILLISECOND}))
        fresh.replace(self._file)
        self._offset = offset
        await self._add(by)

    async def resume(self) -> None:
        """After a start: move the broker's clock to where the folder's was."""
        if self._offset:
            await self._add(self._offset)

    async def _add(self, by: timedelta) -> None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
                answer = await http.post(f"{self._address}/actuator/clock/add", json={"offsetMilli": by // _MILLISECOND})
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"the broker's clock could not be moved ({error})") from error
