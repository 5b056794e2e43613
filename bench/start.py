"""What a user waits for at the command line."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.result import Result

_IMPORT = "import time; t = time.perf_counter(); import camunda_workers; print(time.perf_counter() - t)"


def _import() -> float:
    return float(subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, check=True, timeout=60).stdout)


def _command(*words: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=60)
    return time.perf_counter() - begun


def run() -> Iterator[Result]:
    """Measure everything in this module; the first run of each, which may compile, is not counted."""
    _import()
    yield Result("import camunda_workers", "ms", statistics.median(_import() for _ in range(9)) * 1000, 150)
    _command("-m", "camunda_workers", "--help")
    yield Result(
        "camunda-workers --help", "ms", statistics.median(_command("-m", "camunda_workers", "--help") for _ in range(9)) * 1000, 300
    )
