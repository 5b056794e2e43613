"""What a test of a process costs on the testing kit: the fixture, the first test, an assertion, a thousand tests, a whole suite."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.result import Result
from camunda_workers.logs import configure_logging
from camunda_workers.settings import Settings
from camunda_workers.testing import CamundaTest, expect
from tests.testing.processes import ORDER

ROOT = Path(__file__).resolve().parents[1]
TESTS = 1000
"""Tests one after the other in one process; the first hundred warm it up."""

_SUITE = """
import pytest
@pytest.mark.parametrize("number", range({count}))
async def test_nothing(camunda, number):
    pass
"""
_TIMES = """
import json, pytest, time
TIMES = {}
class Plugin:
    def pytest_runtest_logreport(self, report):
        TIMES.setdefault(report.nodeid, {})[report.when] = report.duration
begun = time.time()
code = pytest.main(["-q", "-p", "no:cacheprovider", "--asyncio-mode=auto", *OPTIONS], plugins=[Plugin()])
print("TIMES", json.dumps(list(TIMES.values())), flush=True)
raise SystemExit(code)
"""


def _run(folder: Path, *options: str, count: int) -> tuple[list[dict[str, float]], float]:
    """A pytest run of its own: each test's phases in seconds, and how long the run took from the process's birth to its end."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(_SUITE.format(count=count))
    # Only what a user of the kit has: other plugins of this environment take seconds to import.
    only = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_asyncio.plugin,camunda_workers.testing.plugin"}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _TIMES.replace("OPTIONS", repr([*options]))],
        cwd=folder,
        env=only,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    took = time.perf_counter() - begun
    found = re.search(r"^TIMES (.*)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout[-2000:]
    assert found is not None, done.stdout[-2000:]
    return json.loads(found[1]), took


async def _one() -> float:
    """An ordinary test; seconds of an assertion that holds."""
    async with CamundaTest() as camunda:
        await camunda.deploy(ORDER)
        camunda.mock_job("price", returns={"amount": 1})
        order = await camunda.start("order", customer="Ada")
        await expect(order).to_be_waiting_at("approve")
        begun = time.perf_counter()
        await expect(order).to_have_passed("price")
        return time.perf_counter() - begun


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _heap_mb() -> float:
    """The Java heap in use after a collection."""
    import jpype

    gc.collect()
    java: Any = jpype.JPackage("java")
    java.lang.System.gc()
    return float(java.lang.management.ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed()) / 2**20


def _threads() -> int:
    """Threads of the operating system: Python's, Java's and gRPC's."""
    return len(list(Path("/proc/self/task").iterdir()))


async def _many() -> tuple[list[float], tuple[float, float, int, int], tuple[float, float, int, int]]:
    holds = [await _one() for _ in range(TESTS // 10)]
    before = (_resident_mb(), _heap_mb(), _threads(), threading.active_count())
    holds += [await _one() for _ in range(TESTS - TESTS // 10)]
    gc.collect()
    return holds, before, (_resident_mb(), _heap_mb(), _threads(), threading.active_count())


def _claims() -> tuple[float, float]:
    begun, used = time.perf_counter(), _children_used()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "tests/acceptance/claims"],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return time.perf_counter() - begun, _children_used() - used


def _children_used() -> float:
    """Processor time of ended child processes: what a busy machine does not change much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _has_broker() -> bool:
    return any((Settings().cache_dir / "brokers").glob("*/bin/broker"))


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    configure_logging("critical")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(folder, count=1)  # compiles what has yet to be compiled
        times, _ = _run(folder, count=60)
        overhead = [one["setup"] + one["teardown"] for one in times[1:]]
        yield Result("fixture of a test, set up and torn down (p50)", "ms", statistics.median(overhead) * 1000, 60)
        used = _children_used()
        alone = statistics.median(_run(folder, count=1)[1] for _ in range(3))
        yield Result("a run with one test, from the shell and back", "s", alone, 3)
        yield Result("processor time of that", "s", (_children_used() - used) / 3, 3)
        if _has_broker():
            yield Result("the same beside a real broker", "s", alone, 1, peer=_run(folder, "--camunda-engine=broker", count=1)[1])
    holds, before, after = asyncio.run(_many())
    yield Result("assertion that holds (p50)", "ms", statistics.median(holds) * 1000, 5)
    yield Result("assertion that holds (p95)", "ms", statistics.quantiles(holds, n=20)[-1] * 1000, 5)
    yield Result(f"memory after {TESTS} tests beside after {TESTS // 10}", "MB", after[0], 1.1, peer=before[0])
    yield Result(f"Java heap after {TESTS} tests beside after {TESTS // 10}", "MB", after[1], 1.1, peer=before[1])
    yield Result(f"threads after {TESTS} tests beside after {TESTS // 10}", "threads", after[2], 1, peer=before[2])
    took, used = _claims()
    yield Result("claims suite with xdist", "s", took, 20)
    yield Result("processor time of that, on two cores", "s", used / 2, 20)
