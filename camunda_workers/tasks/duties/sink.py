"""Where facts about tasks go: every decision with its reason, every delegation, every approval.

A protocol, so that the event log's own facts can be plugged in; the task store keeps them in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened around a task and is not in the engine's records.

    Attributes:
        kind: what, for example ``duty.decided``, ``task.delegated``.
        actor: who did it.
        data: what belongs to it, as JSON.
    """

    kind: str
    at: datetime
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    task_key: int | None = None
    process_instance_key: int | None = None
    business_id: str | None = None


class FactSink(Protocol):
    """Keeps facts for good."""

    async def record(self, fact: Fact) -> None:
        """Keep a fact; raises when it cannot, because what is not recorded must not happen."""
        ...
