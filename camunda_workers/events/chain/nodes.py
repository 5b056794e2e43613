"""Reading the stored tree: any subtree's hash, at any size that the log once had."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, select

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain.hashing import SIZE
from camunda_workers.events.chain.merkle import TILE_HEIGHT, Subtree, full_root, split
from camunda_workers.events.schema import tiles


def raw(value: bytes | str | None) -> bytes:
    """Stored bytes; whoever altered them may have left a text."""
    return b"" if value is None else value.encode() if isinstance(value, str) else bytes(value)


def stored_tree(connection: Connection) -> Subtree:
    """The tree as it is stored; keeps the tiles it has read. Good for one transaction."""

    @lru_cache(maxsize=4096)
    def tile(level: int, number: int) -> bytes:
        found = connection.scalar(select(tiles.c.hashes).where(tiles.c.level == level, tiles.c.number == number))
        return raw(found)

    @lru_cache(maxsize=65_536)
    def subtree(height: int, number: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        first = number << within
        begin = (first & 255) * SIZE
        hashes = tile(level, first >> TILE_HEIGHT)[begin : begin + (SIZE << within)]
        if len(hashes) != SIZE << within:
            raise ReadModelError(f"the log's tree lacks a part (level {level}, hash {first}): it was damaged")
        return full_root(split(hashes))

    return subtree
