"""Passwords as they are kept: salted and hashed with scrypt (RFC 7914), so that a file of them gives nobody away."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

_COST: Final = (2**15, 8, 1)
"""N, r, p: 32 MB and about a tenth of a second for each guess."""
_MOST_MEMORY: Final = 128 * 2**20


def hashed(password: str) -> str:
    """Return what is kept of a password: ``scrypt$N$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    cost, block, parallel = _COST
    digest = _digest(password, salt, cost, block, parallel)
    return "$".join(("scrypt", str(cost), str(block), str(parallel), _text(salt), _text(digest)))


def is_hash(kept: str) -> bool:
    """Whether this is what `hashed` returns, at a cost that can be paid here."""
    return _parts(kept) is not None


def matches(password: str, kept: str) -> bool:
    """Whether this is the password. Takes a tenth of a second: never call it in an event loop."""
    parts = _parts(kept)
    if parts is None:
        return False
    cost, block, parallel, salt, digest = parts
    return hmac.compare_digest(_digest(password, salt, cost, block, parallel), digest)


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes] | None:
    try:
        kind, cost, block, parallel, salt, digest = kept.split("$")
        read = int(cost), int(block), int(parallel), base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        return None
    n, r, p, _, _ = read
    payable = n >= 2 and n & (n - 1) == 0 and r >= 1 and 1 <= p <= 16 and 130 * n * r <= _MOST_MEMORY
    return read if kind == "scrypt" and payable else None


def _digest(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MOST_MEMORY, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
