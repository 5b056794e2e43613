"""Records of real cases, as the engine 8.8.21 wrote them: one engine's log in order, cut into files by case."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"
NAMES = ("paid", "not-covered", "incident", "compensated", "withdrawn", "waiting")
PAID, NOT_COVERED, INCIDENT, COMPENSATED, WITHDRAWN = "CLM-000123", "CLM-000200", "CLM-000300", "CLM-000400", "CLM-000500"
WAITING, CANCELLED = "CLM-000600", "CLM-000700"


@cache
def recorded(*names: str) -> tuple[bytes, ...]:
    """The lines of these files, all by default."""
    return tuple(line for name in names or NAMES for line in gzip.decompress((DATA / f"records-{name}.jsonl.gz").read_bytes()).splitlines())


def changed(line: bytes, **fields: Any) -> bytes:
    """The record with other fields."""
    return json.dumps({**json.loads(line), **fields}).encode()


class ListSource:
    """A record source over a list that can grow."""

    def __init__(self, lines: Sequence[bytes] = ()) -> None:
        self.lines = list(lines)
        self.asked: list[tuple[int, int]] = []

    async def read(self, after: int, limit: int) -> list[bytes]:
        self.asked.append((after, limit))
        return [line for line in self.lines if json.loads(line)["position"] > after][:limit]

    async def wait(self, after: int, timeout: float) -> bool:
        return bool(await self.read(after, 1))
