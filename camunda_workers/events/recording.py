"""A run saved as a file of records: one JSON document a line, the first line says what the file is."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.client.business_id import business_id_of
from camunda_workers.errors import ReadModelError
from camunda_workers.events.record import parse_record

if TYPE_CHECKING:
    from camunda_workers.events.story import CaseStory

_HEAD = "camunda-workers-recording"


def save_recording(lines: Sequence[str | bytes], path: Path, *, name: str = "") -> Path:
    """Write records to a file; gzipped when its name ends in ``.gz``."""
    head = json.dumps({_HEAD: 1, "name": name, "records": len(lines)})
    content = ("\n".join([head, *(line if isinstance(line, str) else line.decode() for line in lines)]) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def read_recording(path: Path) -> list[str]:
    """The records of a file, with or without our first line (an exporter's file has none).

    Raises:
        ReadModelError: there is no such file, or it holds something else.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadModelError(f"{path} cannot be read as a recording: {error}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and f'"{_HEAD}"' in lines[0][:200]:
        lines = lines[1:]
    if not lines:
        raise ReadModelError(f"{path} holds no records")
    try:
        parse_record(lines[0])
    except ReadModelError as error:
        raise ReadModelError(f"{path} is not a recording: {error}") from error
    return lines


async def recorded_stories(path: Path) -> AsyncIterator[CaseStory]:
    """The stories in a recording: one for each process instance that nobody called, with those it called.

    Raises:
        ReadModelError: see `read_recording`.
    """
    # Imported here: whoever only saves a recording, as every test does that may fail, needs no database library.
    from camunda_workers.events.log import EventLog
    from camunda_workers.events.story import instances_story

    lines = read_recording(path)
    async with EventLog.open() as log:
        await log.append(lines)
        families: dict[int, list[int]] = {}
        root_of: dict[int, int] = {}
        names: dict[int, str] = {}
        async for record in log.records(value_types={"PROCESS_INSTANCE"}):
            key = record.process_instance_key
            if key is None or key in root_of:
                continue
            root = root_of.get(record.parent_process_instance_key or -1, key)
            root_of[key] = root
            families.setdefault(root, []).append(key)
            names.setdefault(root, business_id_of(record.value.get("tags") or ()) or str(root))
        last = parse_record(lines[-1]).time
        for root, keys in families.items():
            yield await instances_story(log, keys, business_id=names[root], now=last)
