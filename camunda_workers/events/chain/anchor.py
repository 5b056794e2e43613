"""Has checkpoints stamped by a time-stamping authority, keeps the stamps beside them, and checks what is kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import CamundaWorkersError, ConfigurationError, ReadModelError
from camunda_workers.events.bulk import upsert
from camunda_workers.events.chain.checkpoint import Checkpoint
from camunda_workers.events.chain.scan import Problem
from camunda_workers.events.chain.stamps import REQUEST_TYPE, RESPONSE_TYPE, Stamp, library, read_stamp, request_stamp
from camunda_workers.events.schema import checkpoints, timestamps

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from camunda_workers.events.log import EventLog

EVERY: Final = 3600.0
"""Seconds between two stamps: authorities are not there to be asked every minute."""
RETRY: Final = 60.0
"""Seconds until an authority that did not answer well is asked again."""
TIMEOUT: Final = 20.0
MOST_BYTES: Final = 256 * 1024
"""A stamp with its certificates has a few thousand bytes."""
_FAR_OFF: Final = timedelta(minutes=5)
_logger = logging.getLogger(__name__)


class Anchor:
    """Asks a time-stamping authority.

    Args:
        log: whose checkpoints.
        address: the authority's (RFC 3161 over HTTP); a name and a password may stand in it.
        roots: certificates that its own must lead to; without any its signature is not checked here.
        every: seconds between two stamps, at least.
        clock: the time.

    Raises:
        ConfigurationError: the address is none.
        MissingExtra: the extra ``timestamps`` is not installed.
    """

    def __init__(
        self, log: EventLog, address: str, roots: Sequence[Certificate] = (), *, every: float = EVERY, clock: Clock | None = None
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("CAMUNDA_WORKERS_TSA_URL must be an address like https://tsa.example.org/tsr")
        library()
        self._log = log
        self._address = address
        self._roots = tuple(roots)
        self._every = every
        self._clock = clock or SystemClock()
        self._next: datetime | None = None
        port = f":{parts.port}" if parts.port else ""
        self.name = f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    async def catch_up(self) -> int:
        """Have the latest checkpoint stamped, if that is due; an authority that does not answer well is tried again later.

        Returns:
            How many stamps are new.
        """
        now = self._clock.now()
        if self._next is not None and now < self._next <= now + timedelta(seconds=max(self._every, RETRY)):
            return 0
        found = await self._log.database.read(_latest)
        if found is None or found[2]:
            return 0
        size, note, _ = found
        try:
            await self.stamp(size, note)
        except CamundaWorkersError as error:
            self._next = now + timedelta(seconds=RETRY)
            _logger.warning("the checkpoint of %s records has no time stamp yet, it is tried again in %.0f s: %s", size, RETRY, error)
            return 0
        self._next = now + timedelta(seconds=self._every)
        return 1

    async def stamp(self, size: int, note: str) -> Stamp:
        """Have this checkpoint stamped, and keep the stamp; one that has a stamp already keeps it.

        Raises:
            ReadModelError: the authority cannot be reached, or its answer is not a stamp of this checkpoint.
        """
        known = await self._log.database.read(lambda connection: _kept(connection, size))
        if known is not None:
            return read_stamp(known, note, roots=self._roots)
        request, nonce = request_stamp(note)
        response = await self._ask(request)
        try:
            stamp = read_stamp(response, note, nonce=nonce, roots=self._roots)
        except ReadModelError as error:
            raise ReadModelError(f"{self.name}: {error}") from error
        off = stamp.time - self._clock.now()
        if abs(off) > _FAR_OFF:
            _logger.warning(
                "by the clock of %s it is %s, which is %s from this machine's: one of them is wrong", self.name, stamp.time, off
            )
        row = {"size": size, "authority": self.name, "response": response}
        await self._log.database.write(lambda connection: upsert(connection, timestamps, [row]))
        return stamp

    async def _ask(self, request: bytes) -> bytes:
        import httpx

        headers = {"Content-Type": REQUEST_TYPE, "Accept": RESPONSE_TYPE}
        body = bytearray()
        try:
            async with (
                httpx.AsyncClient(timeout=TIMEOUT) as client,
                client.stream("POST", self._address, content=request, headers=headers) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise ReadModelError(f"{self.name} sends more than {MOST_BYTES // 1024} KB: that is no time stamp")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ReadModelError(f"{self.name} cannot be reached: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise ReadModelError(f"{self.name} answers with HTTP status {answer.status_code}")
        if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != RESPONSE_TYPE:
            raise ReadModelError(
                f"{self.name} answers with '{answer.headers.get('content-type', 'no content type')}', not with a time stamp"
            )
        return bytes(body)


@dataclass(frozen=True, slots=True)
class StampReport:
    """What became of the stamps that are kept.

    Attributes:
        stamps: how many are good.
        size: the largest checkpoint among them: what it covers was there at ``time``.
        authority: whose stamp that is, as it says itself.
        trusted: whether signatures and certificates were checked.
        problems: stamps that are not good, or do not fit together.
        ahead: by how much the signer's clock was ahead of the authority's, at most.
    """

    stamps: int = 0
    size: int = 0
    time: datetime | None = None
    authority: str = ""
    trusted: bool = False
    ahead: timedelta = timedelta(0)
    problems: Sequence[Problem] = field(default_factory=tuple[Problem, ...])


async def verify_stamps(log: EventLog, roots: Sequence[Certificate] = ()) -> StampReport:
    """Check every stamp that is kept: that it is of its checkpoint, who signed it, and that later checkpoints were not stamped earlier.

    Args:
        log: which.
        roots: certificates that the authorities' must lead to; without any, their signatures are not checked.
    """
    query = (
        select(timestamps.c.size, timestamps.c.authority, timestamps.c.response, checkpoints.c.note)
        .join(checkpoints, checkpoints.c.size == timestamps.c.size, isouter=True)
        .order_by(timestamps.c.size)
    )
    rows = await log.database.read(lambda connection: connection.execute(query).all())
    problems: list[Problem] = []
    good: list[tuple[int, Stamp]] = []
    ahead = timedelta(0)
    for size, authority, response, note in rows:
        what = f"the time stamp of the checkpoint of {size} records, by {authority},"
        if note is None:
            problems.append(Problem(size, f"{what} is of a checkpoint that is no longer there"))
            continue
        try:
            stamp = read_stamp(bytes(response), note, roots=roots)
        except ReadModelError as error:
            problems.append(Problem(size, f"{what} is not good: {error}"))
            continue
        if good and stamp.time + stamp.accuracy < good[-1][1].time - good[-1][1].accuracy:
            earlier, before = good[-1]
            problems.append(
                Problem(size, f"{what} says {stamp.time:%Y-%m-%d %H:%M:%S}, but that of {earlier} says {before.time:%Y-%m-%d %H:%M:%S}")
            )
            continue
        ahead = max(ahead, _ahead(note, stamp))
        good.append((size, stamp))
    if not good:
        return StampReport(problems=tuple(problems), trusted=bool(roots))
    size, stamp = good[-1]
    return StampReport(len(good), size, stamp.time, stamp.authority, bool(roots), ahead, tuple(problems))


async def kept_stamp(log: EventLog, size: int) -> bytes | None:
    """The stamp (DER) of the checkpoint of that size, if there is one."""
    return await log.database.read(lambda connection: _kept(connection, size))


def _ahead(note: str, stamp: Stamp) -> timedelta:
    said = Checkpoint.parse(note.partition("\n\n")[0]).time
    return said - (stamp.time + stamp.accuracy) if said is not None else timedelta(0)


def _kept(connection: Connection, size: int) -> bytes | None:
    found = connection.scalar(select(timestamps.c.response).where(timestamps.c.size == size))
    return bytes(found) if found is not None else None


def _latest(connection: Connection) -> tuple[int, str, bool] | None:
    row = connection.execute(select(checkpoints.c.size, checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)).one_or_none()
    return (row.size, row.note, _kept(connection, row.size) is not None) if row is not None else None


__all__ = ["Anchor", "StampReport", "kept_stamp", "verify_stamps"]
