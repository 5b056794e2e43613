"""Prints the versions of a lock file as constraints for pip, which takes hashes for everything or for nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PINNED = re.compile(r"^(?P<pin>[A-Za-z0-9][A-Za-z0-9._-]*==[^\s;\\]+)(?P<marker>\s*;[^\\]*)?", re.MULTILINE)


def constraints(lock: str) -> list[str]:
    """One line for each package of a lock file, with its environment marker."""
    return [f"{found['pin']}{(found['marker'] or '').rstrip()}" for found in PINNED.finditer(lock)]


if __name__ == "__main__":
    print("\n".join(constraints(Path(sys.argv[1]).read_text(encoding="utf-8"))))
