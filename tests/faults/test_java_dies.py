"""A Java virtual machine that dies in the middle: the process ends at once, and says where Java wrote down why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.engine]

_ENGINE = """
import asyncio
from camunda_workers.client import Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine

async def main():
    async with EmbeddedEngine() as engine, Client(engine.grpc_address, "") as client:
        await client.topology()
        import jpype
        {dies}
        print("still alive", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
_CRASHES = """
        field = jpype.JClass("java.lang.Class").forName("sun.misc.Unsafe").getDeclaredField("theUnsafe")
        field.setAccessible(True)
        field.get(None).putAddress(0, 0)
"""
_EATS_ITS_MEMORY = """
        kept = []
        while True:
            kept.append(jpype.JArray(jpype.JLong)(2**24))
"""


@pytest.mark.parametrize(("dies", "why"), [(_CRASHES, "SIGSEGV"), (_EATS_ITS_MEMORY, "OutOfMemory")], ids=["crash", "memory"])
def test_it_ends_and_says_where_the_reason_is(tmp_path: Path, dies: str, why: str) -> None:
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-Xmx256m"}
    command = [sys.executable, "-c", _ENGINE.format(dies=dies)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=240)
    text = (ended.stdout + ended.stderr).decode(errors="replace")
    assert ended.returncode, text
    assert "still alive" not in text
    report = re.search(r"# (\S*java-died-\d+\.log)", text)
    assert report is not None, text
    written = Path(report[1])
    assert why in written.read_text(encoding="utf-8", errors="replace")
    written.unlink()
