"""How the tree and the chains grow by a batch of records; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from camunda_workers.events.chain.checkpoint import Head
from camunda_workers.events.chain.hashing import SIZE, from_text, to_text
from camunda_workers.events.chain.merkle import TILE_HEIGHT, TILE_WIDTH, full_root, split

TILE_BYTES: Final = TILE_WIDTH * SIZE


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree's right edge: for each level the hashes of the tile that is not full yet. Enough to go on, and to know the root."""

    size: int
    edge: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A row of the tree."""

    level: int
    number: int
    hashes: bytes
    chains: bytes | None = None


def grow(
    tree: Tree, leaves: Sequence[bytes], partition: int, positions: Sequence[int], heads: Mapping[int, Head]
) -> tuple[Tree, list[Tile], dict[int, Head]]:
    """Add leaves of one partition.

    Args:
        tree: what it was.
        leaves: the new records' hashes.
        partition: where they come from.
        positions: their positions there.
        heads: all partitions' chains so far.

    Returns:
        The tree, the tiles that changed, and all partitions' chains after it.
    """
    after = dict(heads)
    head = after.get(partition)
    link = head.link if head is not None else bytes(SIZE)
    changed: list[Tile] = []
    full: list[bytes] = []
    edge = tree.edge[0] if tree.edge else b""
    number = tree.size // TILE_WIDTH
    at = 0
    digest = sha256
    while at < len(leaves):
        some = leaves[at : at + TILE_WIDTH - len(edge) // SIZE]
        for leaf in some:
            link = digest(link + leaf).digest()
        at += len(some)
        after[partition] = Head(positions[at - 1], link)
        edge += b"".join(some)
        if len(edge) == TILE_BYTES:
            changed.append(Tile(0, number, edge, chains_text(after)))
            full.append(full_root(split(edge)))
            edge = b""
            number += 1
    if edge:
        changed.append(Tile(0, number, edge))
    edges = [edge]
    level = 1
    below = tree.size >> TILE_HEIGHT
    while full or level < len(tree.edge):
        edge = tree.edge[level] if level < len(tree.edge) else b""
        number = below // TILE_WIDTH
        below >>= TILE_HEIGHT
        roots, full = full, []
        grown = bool(roots)
        while roots:
            some, roots = roots[: TILE_WIDTH - len(edge) // SIZE], roots[TILE_WIDTH - len(edge) // SIZE :]
            edge += b"".join(some)
            if len(edge) == TILE_BYTES:
                changed.append(Tile(level, number, edge))
                full.append(full_root(split(edge)))
                edge = b""
                number += 1
        if grown and edge:
            changed.append(Tile(level, number, edge))
        edges.append(edge)
        level += 1
    return Tree(tree.size + len(leaves), tuple(edges)), changed, after


def chains_text(heads: Mapping[int, Head]) -> bytes:
    """The partitions' chains as one text."""
    return "\n".join(f"{number} {head.position} {to_text(head.link)}" for number, head in sorted(heads.items())).encode()


def read_chains(text: bytes) -> dict[int, Head]:
    """As `chains_text` wrote them.

    Raises:
        ValueError: it did not.
    """
    found: dict[int, Head] = {}
    for line in text.decode().split("\n"):
        if line:
            number, position, link = line.split(" ")
            found[int(number)] = Head(int(position), from_text(link))
    return found
