"""Records to measure the event log with: one real case, told again and again."""

from __future__ import annotations

import gzip
import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

_DATA: Final = Path(__file__).parent.parent / "tests" / "data" / "records-paid.jsonl.gz"
_KEY: Final = re.compile(rb"(22517998136\d{5})")
_KEYS_APART: Final = 10_000
_BURST: Final = 8
"""Records that a case writes in a row: a command and what follows from it."""
_BEGIN: Final = 1_767_225_600_000
"""2026-01-01, in milliseconds."""


class Stream:
    """The deployment of a process, and then cases of it without end: the records of a real one with other keys, another business id, and
    moments that go on.

    Args:
        abreast: how many cases are under way at once; their records are mixed, as an engine's are.
        millis: from one record to the next.
    """

    def __init__(self, *, abreast: int = 50, millis: int = 200) -> None:
        self._deployment: list[bytes] = []
        self._pieces: list[list[bytes | int]] = []
        definitions: set[bytes] = set()
        begun = False
        for line in gzip.decompress(_DATA.read_bytes()).splitlines():
            raw = json.loads(line)
            whole = _without(_without(line, b'"position":', b"\0"), b'"timestamp":', b"\2")
            begun = begun or raw["valueType"] == "PROCESS_INSTANCE_CREATION"
            if not begun:
                self._deployment.append(whole)
                definitions.update(_KEY.findall(whole))
            elif raw["value"].get("processInstanceKey", -1) > 0 or raw["valueType"] == "JOB_BATCH":
                split = _KEY.split(whole.replace(b"CLM-000123", b"CLM-\1"))
                self._pieces.append([int(one) if _KEY.fullmatch(one) and one not in definitions else one for one in split])
        self._abreast = abreast
        self._millis = millis
        self._position = 0
        self._begun = 0
        self._lines = self._mixed()

    @property
    def whole_cases(self) -> int:
        """How many of the first cases are whole."""
        return self._begun - 2 * self._abreast

    def take(self, count: int) -> list[bytes]:
        """The next records."""
        return list(islice(self._lines, count))

    def _mixed(self) -> Iterator[bytes]:
        yield from map(self._placed, self._deployment)
        under_way: deque[Iterator[bytes]] = deque()
        while True:
            # One after the other, so that they do not all end at once either.
            if len(under_way) < self._abreast and self._position >= self._begun * len(self._pieces) // self._abreast:
                under_way.append(self._case())
            case = under_way.popleft()
            lines = list(islice(case, _BURST))
            yield from lines
            if len(lines) == _BURST:
                under_way.append(case)
            elif not under_way:
                under_way.append(self._case())

    def _case(self) -> Iterator[bytes]:
        self._begun += 1
        offset, name = self._begun * _KEYS_APART, b"%09d" % self._begun
        for parts in self._pieces:
            text = b"".join(b"%d" % (part + offset) if isinstance(part, int) else part for part in parts)
            yield self._placed(text.replace(b"\1", name))

    def _placed(self, text: bytes) -> bytes:
        self._position += 1
        return text.replace(b"\0", b"%d" % self._position, 1).replace(b"\2", b"%d" % (_BEGIN + self._position * self._millis), 1)


def _without(line: bytes, name: bytes, mark: bytes) -> bytes:
    """The first number of this name taken out."""
    head, tail = line.split(name, 1)
    return head + name + mark + b"," + tail.split(b",", 1)[1]
