"""The engine that a test runs on, behind one small face: embedded, a broker of its own, or somewhere on the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from camunda_workers.client import Client, ProcessInstance
from camunda_workers.testing.journal import Journal


class Ground(Protocol):
    """What the kit needs of an engine.

    Attributes:
        kind: ``embedded``, ``broker`` or an address.
        is_exact: whether it knows exactly, and at once, that everything has been processed; otherwise ``idle`` concludes it from silence.
    """

    kind: str
    is_exact: bool

    def fresh(self) -> Ground:
        """Another one of the same kind, not started."""
        ...

    async def start(self) -> None:
        """Make the engine ready for one test."""
        ...

    async def stop(self) -> None:
        """Let go of everything; safe to call twice and after a failed start."""
        ...

    @property
    def client(self) -> Client:
        """An open client."""
        ...

    @property
    def journal(self) -> Journal:
        """What the engine's records say."""
        ...

    def now(self) -> datetime:
        """The engine's time (UTC)."""
        ...

    def healthy(self) -> bool:
        """Whether the engine still runs."""
        ...

    async def advance(self, by: timedelta, timeout: float) -> None:
        """Move the engine's time forward and let happen what is due."""
        ...

    async def idle(self) -> bool:
        """Whether everything that was asked of the engine has been processed."""
        ...

    def busy(self, served: frozenset[str]) -> Mapping[int, str]:
        """Jobs, by key their type, that a worker holds or could take; as far as the journal has been read."""
        ...

    def serves(self, job_type: str) -> bool:
        """Whether some worker asks the engine for jobs of this type."""
        ...

    async def create(
        self, process_id: str, variables: object, *, version: int, business_id: str | None, tags: Sequence[str],
        start_before: Sequence[str], terminate_after: Sequence[str],
    ) -> ProcessInstance:  # fmt: skip
        """Start a process instance."""
        ...

    async def complete_task(self, key: int, variables: Mapping[str, Any], action: str) -> None:
        """Complete a user task."""
        ...

    async def assign_task(self, key: int, assignee: str, *, allow_override: bool, action: str) -> None:
        """Assign a user task."""
        ...

    async def unassign_task(self, key: int) -> None:
        """Take the assignee off a user task."""
        ...

    async def update_task(self, key: int, changes: Mapping[str, Any], action: str) -> None:
        """Change a user task's attributes."""
        ...

    async def rest_address(self) -> str:
        """The base of the REST API, served from now on."""
        ...

    async def correlate(self, name: str, correlation_key: str, variables: Mapping[str, Any]) -> None:
        """Correlate a message now; NotFound when nobody waits for it."""
        ...
