"""The Java half of the bridge: a few small classes that the engine's threads call instead of Python, compiled into the jar beside them.

A call from Java into Python waits for Python's global lock and leaves a little memory behind (jpype 1.7 makes a type for each), so what the engine
says is gathered in Java and taken by Python in one go.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

JAR = Path(__file__).with_name("java-side.jar")
SOURCES = Path(__file__).with_name("camunda_workers")


def digest_of_sources() -> str:
    """Return a digest of the Java sources; the jar carries the one it was made from."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.java")):
        digest.update(f"{source.name}\n{source.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()
