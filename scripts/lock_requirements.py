"""Write requirements.lock: every package of every extra and of the development group, for all platforms, pinned by hash.

Run by `make lock` on a machine with network. Pass `--upgrade` to take newer versions than the lock has.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = "# Written by scripts/lock_requirements.py (make lock). Where the packages come from is the installer's business: no index is named here.\n"


def main(arguments: list[str]) -> None:
    """Compile, and refuse a lock that names a package index."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--all-extras",
        "--group",
        "dev",
        "--universal",
        "--generate-hashes",
    ]
    command += [
        "--python-version",
        "3.11",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-emit-package",
        "camunda-workers",
    ]
    subprocess.run([*command, "--quiet", "--output-file", str(LOCK), *arguments], cwd=ROOT, check=True)
    text = LOCK.read_text(encoding="utf-8")
    if "://" in text:
        raise SystemExit("requirements.lock names an address: packages must come from whatever index the installer uses")
    LOCK.write_text(HEADER + text, encoding="utf-8")
    print(f"{LOCK.name}: {sum('==' in line for line in text.splitlines())} packages")


if __name__ == "__main__":
    main(sys.argv[1:])
