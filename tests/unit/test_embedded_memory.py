"""Free memory between what is in use goes back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.durable.memory import give_back


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_holes_are_given_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    blocks: list[int] = []
    for _ in range(1000):
        block = libc.malloc(64 * 1024)
        ctypes.memset(block, 1, 64 * 1024)
        blocks.append(block)
    kept = blocks[::8]  # so that it is holes and no end that could be cut off
    for block in set(blocks) - set(kept):
        libc.free(block)
    before = resident()
    give_back()
    given = before - resident()
    for block in kept:
        libc.free(block)
    assert given > 32 * 2**20


def test_it_may_be_asked_anywhere() -> None:
    give_back()
    give_back()
