"""Child processes of tests: started, read line by line, always ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any


@asynccontextmanager
async def engine_process(*options: str, seconds: float = 60.0) -> AsyncGenerator[dict[str, Any]]:
    """Run ``camunda-workers engine start`` on free ports; yields its ready line, ends it with SIGTERM and checks that it ends well.

    Args:
        options: more of the command line.
        seconds: how long it may take until it is ready, and until it has ended.
    """
    command = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
        assert line, f"the engine ended with exit code {await process.wait()} before it was ready"
        yield json.loads(line)
        process.terminate()
        async with asyncio.timeout(seconds):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_program(
    *command: str, folder: Path | None = None, environment: Mapping[str, str] | None = None, seconds: float = 60.0
) -> str:
    """Run a program to its end and return what it prints; one that fails shows all that it said, one that hangs is killed.

    Args:
        command: the program and its arguments.
        folder: where it runs; here by default.
        environment: its variables; ours by default.
        seconds: how long it may take.
    """
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=dict(os.environ if environment is None else environment), stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command[0]} ended with exit code {process.returncode}\n{out.decode()}{err.decode()}"
    return out.decode()


async def run_python(script: str, *arguments: str) -> str:
    """Run a script in a Python of its own and return what it prints; a failure shows its error output."""
    return await run_program(sys.executable, "-c", script, *arguments)


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that is to find nothing of ours: no settings, no modules."""
    return {name: value for name, value in environment.items() if not name.startswith(("CAMUNDA_", "ZEEBE_", "PYTHON"))}
