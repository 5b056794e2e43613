"""The three hashes of the log, all SHA-256: a leaf, an inner node (both as RFC 6962 has them) and a link of a partition's chain.

The first byte keeps them apart: nobody can pass off a node as a leaf, or a commitment as either.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""
CHAIN_START: Final = bytes(SIZE)
"""What the first record of a partition is linked to."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a log entry: RFC 6962, section 2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees: RFC 6962, section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def commitment(salt: bytes, content: bytes) -> bytes:
    """What stays in the log of a content that may be erased. Without the salt nobody can find the content by guessing."""
    return sha256(b"\x02" + salt + content).digest()


def chained(start: bytes, leaves: Iterable[bytes]) -> bytes:
    """The link behind all these leaves."""
    link, digest = start, sha256
    for leaf in leaves:
        link = digest(link + leaf).digest()
    return link


def to_text(value: bytes) -> str:
    """Base64, as checkpoints and proofs show hashes."""
    return base64.b64encode(value).decode()


def from_text(text: str) -> bytes:
    """A hash from its Base64.

    Raises:
        ValueError: it is not one.
    """
    value = base64.b64decode(text, validate=True)
    if len(value) != SIZE:
        raise ValueError(f"not a SHA-256 hash: {text}")
    return value
