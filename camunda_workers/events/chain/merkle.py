"""Merkle trees over a growing list: roots, inclusion proofs and consistency proofs, as RFC 6962 (section 2.1) defines them.

Pure: what is known of the tree comes in through ``subtree``, a function from (height, number) to the hash over the leaves from
``number << height`` on, ``1 << height`` of them. Verification follows RFC 9162 (sections 2.1.3.2 and 2.1.4.2), which says the same iteratively.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from camunda_workers.events.chain.hashing import EMPTY_ROOT, SIZE, node_hash, sha256

Subtree = Callable[[int, int], bytes]

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT


def level_up(hashes: Sequence[bytes]) -> list[bytes]:
    """The parents of an even number of neighbours."""
    digest = sha256
    return [digest(b"\x01" + hashes[at] + hashes[at + 1]).digest() for at in range(0, len(hashes) - 1, 2)]


def full_root(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbours, a power of two of them."""
    while len(hashes) > 1:
        hashes = level_up(hashes)
    return hashes[0]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over any number of leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


def split(data: bytes) -> list[bytes]:
    """Hashes that are stored one behind the other."""
    return [data[at : at + SIZE] for at in range(0, len(data), SIZE)]


def _peaks(begin: int, end: int) -> list[tuple[int, int]]:
    """The complete subtrees (height, number) that cover leaves ``begin`` to ``end``, from left to right; ``begin`` is where one may start."""
    found: list[tuple[int, int]] = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        found.append((height, begin >> height))
        begin += 1 << height
    return found


def _range_root(begin: int, end: int, subtree: Subtree) -> bytes:
    hashes = [subtree(height, number) for height, number in _peaks(begin, end)]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def tree_root(size: int, subtree: Subtree) -> bytes:
    """The root of the tree as it was with ``size`` leaves."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(number: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of leaf ``number`` in the tree of ``size`` leaves, from the leaf upwards.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= number < size:
        raise ValueError(f"there is no leaf {number} in a tree of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        half = 1 << (end - begin - 1).bit_length() - 1
        if number < begin + half:
            path.append(_range_root(begin + half, end, subtree))
            end = begin + half
        else:
            path.append(_range_root(begin, begin + half, subtree))
            begin += half
    return path[::-1]


def consistency_proof(first: int, second: int, subtree: Subtree) -> list[bytes]:
    """What shows that the tree of ``second`` leaves begins with all of the tree of ``first``.

    Raises:
        ValueError: the first tree is larger than the second.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} leaves cannot contain one of {first}")
    if first in (0, second):
        return []
    path: list[bytes] = []
    begin, end, whole = 0, second, True
    while first != end:
        half = 1 << (end - begin - 1).bit_length() - 1
        if first <= begin + half:
            path.append(_range_root(begin + half, end, subtree))
            end = begin + half
        else:
            path.append(_range_root(begin, begin + half, subtree))
            begin += half
            whole = False
    return ([] if whole else [_range_root(begin, end, subtree)]) + path[::-1]


def verify_inclusion(number: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that this is leaf ``number`` of the tree with that size and root."""
    if not 0 <= number < size or any(len(one) != SIZE for one in (leaf, root, *proof)):
        return False
    at, last, found = number, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the second tree begins with all of the first. Of an empty one nothing can be shown."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if any(len(one) != SIZE for one in (first_root, second_root, *proof)):
        return False
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root
