"""What a broker's Elasticsearch exporter sends: bulk requests, compressed or not. Pure."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json

MOST_BYTES: Final = 512 * 1024 * 1024
"""The largest request that is read, unpacked. An exporter sends 10 MB and a record at most."""
_PARTITION: Final = re.compile(rb'"partitionId"\s*:\s*(\d+)')


class BadRequest(Exception):
    """The request is not one of an exporter, or not all of it came; nothing of it is kept."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class Bulk:
    """A bulk request: records by partition, in the order in which they came."""

    count: int = 0
    partitions: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])


def unpacked(body: bytes, encoding: str) -> bytes:
    """A request's body.

    Raises:
        BadRequest: it is not what its encoding says, not whole, or too large.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadRequest(415, f"the encoding '{encoding}' is not known: send gzip or none")
    content: list[bytes] = []
    total = 0
    try:
        while body:
            unpacker = zlib.decompressobj(wbits=31)
            piece = unpacker.decompress(body, MOST_BYTES - total + 1)
            total += len(piece)
            if total > MOST_BYTES:
                raise BadRequest(
                    413, f"the request is larger than {MOST_BYTES // 2**20} MB: let the exporter send smaller ones (bulk.memoryLimit)"
                )
            if not unpacker.eof:
                raise BadRequest(400, "the request is cut off: its gzip stream does not end")
            content.append(piece)
            body = unpacker.unused_data
    except zlib.error as error:
        raise BadRequest(400, f"the request is not gzip: {error}") from error
    return b"".join(content)


def read_bulk(body: bytes) -> Bulk:
    """The records of a bulk request.

    Raises:
        BadRequest: a line is missing or is not JSON, or it asks for something else than adding documents.
    """
    if body and not body.endswith(b"\n"):
        raise BadRequest(400, "the request is cut off: its last line has no end")
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) % 2:
        raise BadRequest(400, "the request is cut off: its last record is missing")
    found = Bulk(len(lines) // 2)
    for number in range(0, len(lines), 2):
        action, line = lines[number], lines[number + 1]
        if not action.lstrip().startswith((b'{"index"', b'{"create"', b'{ "index"', b'{ "create"')):
            raise BadRequest(400, f"line {number + 1} asks for something else than adding a record: {action[:80].decode(errors='replace')}")
        found.partitions.setdefault(_partition(line, number + 2), []).append(line)
    return found


def _partition(line: bytes, number: int) -> int:
    if line.count(b'"partitionId"') == 1 and (match := _PARTITION.search(line)):  # else it may stand within somebody's data
        return int(match[1])
    try:
        raw = from_json(line)
        return int(raw["partitionId"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(400, f"line {number} is not a record of the engine: {line[:80].decode(errors='replace')}") from error
