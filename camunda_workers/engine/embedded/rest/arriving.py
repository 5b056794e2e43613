"""Bodies that do not come: a caller who stops in the middle of one does not keep its place for ever."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Message, Receive

from camunda_workers.engine.embedded.rest.problem import TooSlow

PATIENCE: Final = 20.0
"""Seconds between two pieces of a body; as long as a real gateway's server waits."""


def patient(receive: Receive) -> Receive:
    """Return ``receive`` for someone who reads a body; it raises `TooSlow` where the next piece does not come."""

    async def awaited() -> Message:
        try:
            async with asyncio.timeout(PATIENCE):
                return await receive()
        except TimeoutError:
            raise TooSlow(f"the rest of the body did not come within {PATIENCE:g} s") from None

    return awaited
