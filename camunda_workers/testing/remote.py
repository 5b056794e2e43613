"""What a test's share of a broker and of a cluster have in common: a client that goes over the network, and silence instead of knowledge."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from camunda_workers.client import Client
from camunda_workers.engine.embedded.horizon import Horizon
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.testing.journal import Journal


class RemoteGround(ABC):
    """The part of a `Ground` that is the same wherever an engine is reached by a client only."""

    is_exact = False

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._stack = AsyncExitStack()
        self._asked_at = 0.0
        self._horizon = Horizon()

    @property
    @abstractmethod
    def client(self) -> Client:
        """An open client."""

    @property
    @abstractmethod
    def _last_at(self) -> float:
        """When the last news came (monotonic)."""

    def _asked(self) -> None:
        """Somebody is about to ask the engine for something, and the news of that are still to come."""
        self._asked_at = time.monotonic()

    async def idle(self) -> bool:
        """Whether it has been silent for a while, since the last news and since it was last asked for something."""
        return time.monotonic() - max(self._last_at, self._asked_at) > self._silence

    async def _cancel_all(self, client: Client, journal: Journal) -> None:
        """Cancel what the test has left running, so that it is in nobody's way."""
        with contextlib.suppress(CamundaWorkersError):
            await journal.catch_up()
        for instance in [one for one in journal.instances.values() if one.state == "active" and one.parent <= 0]:
            with contextlib.suppress(CamundaWorkersError):
                await client.cancel(instance.key)

    def busy(self, served: frozenset[str]) -> Mapping[int, str]:
        """Jobs that somebody holds, or that a worker of the test could take."""
        return self._horizon.busy(served)

    def serves(self, job_type: str) -> bool:
        """Nobody out there says who asks for jobs."""
        del job_type
        return True

    async def complete_task(self, key: int, variables: Mapping[str, Any], action: str) -> None:
        """Complete a user task."""
        await self.client.complete_user_task(key, variables, action=action or None)

    async def assign_task(self, key: int, assignee: str, *, allow_override: bool, action: str) -> None:
        """Assign a user task."""
        await self.client.assign_user_task(key, assignee, allow_override=allow_override, action=action or None)

    async def unassign_task(self, key: int) -> None:
        """Take the assignee off a user task."""
        await self.client.unassign_user_task(key)

    async def update_task(self, key: int, changes: Mapping[str, Any], action: str) -> None:
        """Change a user task's attributes."""
        await self.client.update_user_task(key, changes, action=action or None)
