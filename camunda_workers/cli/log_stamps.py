"""Time stamps of checkpoints, for the commands that sign and verify."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.events import EventLog
    from camunda_workers.events.chain.anchor import StampReport
    from camunda_workers.events.chain.note import Signer

_WORTH_TELLING: Final = timedelta(minutes=1)
"""Clocks of machines differ a little."""


async def sign_and_stamp(log: EventLog, signer: Signer, *, must: bool = True) -> tuple[str, bytes | None]:
    """Sign what the log is now, and have it time-stamped where the settings name an authority.

    Args:
        log: which.
        signer: with which key.
        must: whether an authority that does not answer is an error; otherwise it is only told.

    Returns:
        The checkpoint, and the authority's answer if there is one.
    """
    from camunda_workers.events.chain.anchor import kept_stamp
    from camunda_workers.events.chain.checkpoint import open_checkpoint
    from camunda_workers.events.chain.notary import Notary
    from camunda_workers.events.chain.signing import configured_anchor

    note = await Notary(log, signer).sign()
    size = open_checkpoint(note, [signer.verifier]).size
    try:
        anchor = configured_anchor(log, Settings())
        if anchor is not None:
            await anchor.stamp(size, note)
    except CamundaWorkersError as error:
        if must:
            raise
        print(f"not time-stamped: {error}", file=sys.stderr)
    return note, await kept_stamp(log, size)


async def check_stamps(log: EventLog, ca: Path | None) -> StampReport:
    """Check the stamps that a log has; a log without any needs no library for it.

    Raises:
        CamundaWorkersError: the certificates cannot be read, or the extra ``timestamps`` is not installed.
    """
    from camunda_workers.events.chain.anchor import verify_stamps
    from camunda_workers.events.chain.stamps import read_roots

    path = ca or Settings().tsa_ca
    return await verify_stamps(log, read_roots(path) if path is not None else ())


def stamps_json(found: StampReport) -> dict[str, Any]:
    """For programs."""
    return {
        "timeStamps": found.stamps,
        "timeStampedTo": found.size,
        "timeStampedAt": found.time.isoformat() if found.time is not None else None,
        "timeStampsTrusted": found.trusted and bool(found.stamps),
    }


def stamps_told(found: StampReport) -> list[str]:
    """For people."""
    if not found.stamps or found.time is None:
        return []
    several = f"{found.stamps} time stamps" if found.stamps > 1 else "1 time stamp"
    told = [f"time-stamped: {several}; {found.size} records were there on {found.time:%Y-%m-%d at %H:%M:%S} UTC, says {found.authority}"]
    if not found.trusted:
        told.append("who made them was not checked: name the authority's certificates with --tsa-ca")
    if found.ahead > _WORTH_TELLING:
        told.append(f"the clock of whoever signed was up to {found.ahead} ahead of the authority's")
    return told
