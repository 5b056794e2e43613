"""Several worker processes under one: started, restarted when they die, drained together, seen as one by probes; and reloaded on changes."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import structlog

from camunda_workers.cli.worker_process import Options, run_child
from camunda_workers.client.retry import BackOff
from camunda_workers.worker.probes import JSON, PROMETHEUS, Answer, Probes, live

_log = structlog.get_logger("camunda_workers.worker")

_BACK_OFF: Final = BackOff(first=0.5, longest=30.0)
_LIVED: Final = 30.0
"""A process that lived for so many seconds has started well."""
_GRACE: Final = 8.0
"""Seconds beyond the drain before a process is killed: giving jobs back has a bound of its own."""
_LOOKS: Final = 0.5
_LEFT_OUT: Final = {"node_modules", "__pycache__"}


class _Child:
    """One worker process."""

    def __init__(self, number: int, options: Options) -> None:
        self.number = number
        self.port: int | None = None
        self.started = time.monotonic()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process: Any = context.Process(target=run_child, args=(options, theirs), name=f"camunda-workers worker {number}")
        self.process.start()
        theirs.close()

    async def announced(self) -> None:
        """Waits for its port."""
        with suppress(EOFError, OSError):
            self.port = await asyncio.to_thread(_received, self._pipe)

    def close(self) -> None:
        """Lets go of the pipe."""
        self._pipe.close()


class Supervisor:
    """Runs worker processes.

    Args:
        options: what each runs; the port is the supervisor's own.
        processes: how many.
        reload: a folder whose Python files are watched; the processes are replaced when one changes.
    """

    def __init__(self, options: Options, processes: int, *, reload: Path | None = None) -> None:
        self._options = options
        self._reload = reload
        self._children: list[_Child | None] = [None] * processes
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Runs until SIGTERM or SIGINT; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, self._on_signal)
        endpoints = {"/livez": live(), "/readyz": self._ready, "/metrics": self._metrics}
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(number)) for number in range(len(self._children))]
            if self._reload is not None:
                tasks.append(group.create_task(self._watch(self._reload)))
            if self._options.port is not None:
                async with Probes(endpoints, host=self._options.host, port=self._options.port) as probes:
                    _log.info("probes.listening", host=self._options.host, port=probes.port, paths=sorted(endpoints))
                    await self._stopping.wait()
                    await self._end(tasks)
            else:
                await self._stopping.wait()
                await self._end(tasks)
        return 0

    def _on_signal(self) -> None:
        # A second signal makes the processes hurry, as it does with one.
        for child in self._children:
            if child is not None and child.process.is_alive():
                child.process.terminate()
        self._stopping.set()

    async def _keep(self, number: int) -> None:
        failures = 0
        options = replace(self._options, host="127.0.0.1", port=0)
        while not self._stopping.is_set():
            child = self._children[number] = _Child(number, options)
            announcing = asyncio.create_task(child.announced())
            while child.process.is_alive():  # noqa: ASYNC110 - a process tells an event loop nothing on every platform
                await asyncio.sleep(0.05)
            announcing.cancel()
            child.close()
            self._children[number] = None
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - child.started > _LIVED else failures + 1
            # A process that was replaced after a change ended well: no waiting.
            wait = 0.0 if child.process.exitcode == 0 else _BACK_OFF.delay(failures, 0.5)
            log = _log.info if child.process.exitcode == 0 else _log.error
            log("process.ended", number=number, exit_code=child.process.exitcode, restart_in=wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopping.wait()

    async def _end(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        deadline = time.monotonic() + self._options.drain + _GRACE
        while any(child is not None for child in self._children):
            if time.monotonic() > deadline:
                for child in self._children:
                    if child is not None:
                        _log.error("process.killed", number=child.number)
                        child.process.kill()
                deadline = float("inf")
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()

    async def _watch(self, folder: Path) -> None:
        seen = await asyncio.to_thread(_times, folder)
        while True:
            await asyncio.sleep(_LOOKS)
            now = await asyncio.to_thread(_times, folder)
            if now == seen:
                continue
            changed = sorted(str(path.relative_to(folder)) for path in {*now, *seen} if now.get(path) != seen.get(path))
            seen = now
            _log.info("worker.reload", changed=changed[:5])
            for child in self._children:
                if child is not None:
                    child.process.terminate()

    async def _ready(self) -> Answer:
        problems: dict[str, Any] = {}
        for number, child in enumerate(self._children):
            status, body = await _ask(child, "/readyz")
            if status != 200:
                problems[f"process {number}"] = json.loads(body)["problems"] if body else "is not running"
        status, word = (503, "DOWN") if problems else (200, "UP")
        return status, JSON, json.dumps({"status": word, "problems": problems}).encode()

    async def _metrics(self) -> Answer:
        texts = {number: (await _ask(child, "/metrics"))[1] for number, child in enumerate(self._children)}
        return 200, PROMETHEUS, merged_metrics({number: text.decode() for number, text in texts.items() if text})


def merged_metrics(texts: dict[int, str]) -> bytes:
    """Metrics of several processes as one text: each sample says which process it is from, and families stay together."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in texts.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                known = heads.setdefault(family, [])
                if line not in known:
                    known.append(line)
            elif found := re.fullmatch(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?( .*)", line):
                labels = ",".join(part for part in (f'process="{number}"', found[2]) if part)
                samples.setdefault(family, []).append(f"{found[1]}{{{labels}}}{found[3]}")
    return "".join(f"{line}\n" for family in heads for line in (*heads[family], *samples.get(family, ()))).encode()


def _received(pipe: Connection) -> int | None:
    return pipe.recv()


def _times(folder: Path) -> dict[Path, float]:
    found: dict[Path, float] = {}
    todo = [folder]
    while todo:
        for path in todo.pop().iterdir():
            if path.name.startswith(".") or path.name in _LEFT_OUT:
                continue
            if path.is_dir() and not (path / "pyvenv.cfg").exists():
                todo.append(path)
            elif path.suffix in (".py", ".toml"):
                with suppress(OSError):
                    found[path] = path.stat().st_mtime
    return found


async def _ask(child: _Child | None, path: str) -> tuple[int, bytes]:
    if child is None or child.port is None:
        return 503, b""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", child.port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 503, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body
