"""Processes for plain functions that compute: each runs one job at a time, so that one that dies or hangs takes no other job with it.

They are spawned, never forked: gRPC, threads and a Java virtual machine in this process do not survive a fork. Functions go by name, and the
process imports their module once.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.worker.threads import Threads

_LAST_WORDS: Final = 2.0
"""Seconds a process gets to end by itself."""


class ProcessDied(CamundaWorkersError):
    """The process that ran a job is gone: killed, out of memory, or crashed in native code."""


class RemoteError(Exception):
    """What a function raised in its process, where that itself cannot be sent; the text has its type and message."""


class Processes:
    """A pool of processes, started when needed and kept.

    Args:
        name: shown in process lists.
        most: how many there are at most; whoever calls holds to it.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._threads = Threads(f"{name}-process", most)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    async def run(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Calls a function in a process; cancelling kills that process.

        Raises:
            ProcessDied: the process ended before it answered.
            RemoteError: the function raised something that cannot be sent.
            Exception: what the function raised.
        """
        child = self._idle.pop() if self._idle else _Child(self._name)
        self._busy.add(child)
        try:
            ok, value = await self._threads.run(partial(child.call, function.__module__, function.__qualname__, dict(arguments)))
        except BaseException:
            child.kill()
            raise
        finally:
            self._busy.discard(child)
        if self._closed:
            child.kill()
        else:
            self._idle.append(child)
        if ok:
            return value
        raise value

    def close(self) -> None:
        """Ends the processes, also those that still compute."""
        self._closed = True
        for child in (*self._idle, *self._busy):
            child.kill()
        self._idle.clear()
        self._threads.close()


class _Child:
    """One process and the pipe to it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: Any = None
        self._pipe: Connection | None = None

    def call(self, module: str, qualified: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
        """Runs in a thread: sends the call and waits for the answer."""
        try:
            if self._pipe is None:
                self._start()
            assert self._pipe is not None
            self._pipe.send((module, qualified, arguments))
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            code = self._exit_code()
            raise ProcessDied(f"the process that ran it died{code}") from error

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join(_LAST_WORDS)
        if self._pipe is not None:
            self._pipe.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name=f"camunda-workers {self._name}", daemon=True)
        self._process.start()
        # Only the process holds this end now, so that its death is seen here.
        theirs.close()
        self._pipe = ours

    def _exit_code(self) -> str:
        if self._process is None:
            return ""
        self._process.join(_LAST_WORDS)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f" (signal {signal.Signals(-code).name})"
        return "" if code is None else f" (exit code {code})"


def _serve(pipe: Connection) -> None:
    """The life of a process: calls until the pipe closes."""
    # Ctrl-C in a terminal goes to the whole group; what becomes of running jobs is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            module, qualified, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        except BaseException as error:
            answer = (False, RemoteError(f"the arguments cannot be read in the process: {_text(error)}"))
        else:
            answer = _call(module, qualified, arguments)
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            return
        except Exception as error:
            pipe.send((False, RemoteError(f"the result cannot be sent from the process: {_text(error)}")))


def _call(module: str, qualified: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
    try:
        found: Any = importlib.import_module(module)
        for name in qualified.split("."):
            found = getattr(found, name)
        return True, found(**arguments)
    except BaseException as error:
        return False, _sendable(error)


def _sendable(error: BaseException) -> BaseException:
    try:
        # Both ways: an exception that cannot be read again would only fail in the parent.
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RemoteError(_text(error))
    return error if isinstance(error, Exception) else RemoteError(_text(error))


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error} (in process {os.getpid()})"
