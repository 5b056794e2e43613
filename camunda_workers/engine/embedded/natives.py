"""RocksDB's native library, unpacked once beside the jars.

Left to itself RocksDB unpacks 15 MB into the temporary folder at every start and leaves it there when the process ends without Java's goodbye.
"""

from __future__ import annotations

import os
import platform
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

_ARM = ("arm64", "aarch64")


def library_folder(jars: Sequence[Path]) -> Path | None:
    """The folder to name in ``java.library.path``, with RocksDB's library for this machine in it.

    Returns None where that cannot be arranged (an unknown machine, a full disk, another layout of the jar): RocksDB then helps itself.
    """
    jar = next((jar for jar in jars if jar.name.startswith("rocksdbjni-")), None)
    if jar is None:
        return None
    arm = platform.machine().lower() in _ARM
    if sys.platform == "darwin":
        entry, name = f"librocksdbjni-osx-{'arm64' if arm else 'x86_64'}.jnilib", "librocksdbjni.dylib"
    elif sys.platform == "win32":
        entry, name = "librocksdbjni-win64.dll", "rocksdbjni.dll"
    else:
        entry, name = f"librocksdbjni-linux{'-aarch64' if arm else '64'}.so", "librocksdbjni.so"
    folder = jar.parent.parent / "native" / jar.stem
    library = folder / name
    if not library.exists():
        try:
            _unpack(jar, entry, library)
        except (OSError, KeyError, zipfile.BadZipFile):
            return None
    return folder


def _unpack(jar: Path, entry: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    fresh = library.with_name(f"{library.name}.{os.getpid()}")  # several processes may do this at once; the last one wins
    try:
        with zipfile.ZipFile(jar) as archive:
            fresh.write_bytes(archive.read(entry))  # read() checks the CRC
        fresh.replace(library)
    finally:
        fresh.unlink(missing_ok=True)
