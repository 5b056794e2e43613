"""Threads for plain functions.

The standard pool joins its threads when the interpreter exits, so one function that blocks for ever would keep the process alive. These are
daemon threads, at most one per place of a worker, started when needed and kept.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], Any]
    context: contextvars.Context
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[_Ended]
    deliver: Callable[[_Call, _Ended], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a call ended. Not the future's own exception: a future refuses some, and the loop would be stopped by others."""

    value: Any = None
    error: BaseException | None = None


_Queue: TypeAlias = "SimpleQueue[_Call | None]"


class Threads:
    """A pool of daemon threads.

    Args:
        name: shown in debuggers and dumps.
        most: how many threads there are at most.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._busy = 0
        self._calls: _Queue = SimpleQueue()

    async def run(self, function: Callable[[], Any]) -> Any:
        """Calls the function in a thread, in a copy of this task's context; cancelling leaves the thread alone to finish."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Ended] = loop.create_future()
        self._busy += 1
        self._calls.put(_Call(function, contextvars.copy_context(), loop, done, self._ended))
        if self._started < min(self._busy, self._most):
            self._started += 1
            threading.Thread(target=_work, args=(self._calls,), name=f"{self._name}-{self._started}", daemon=True).start()
        try:
            ended = await done
        except asyncio.CancelledError:
            # The thread cannot be interrupted. Another one takes its place, or jobs to come would wait behind a function that hangs.
            self._most += 1
            raise
        if ended.error is not None:
            raise ended.error
        return ended.value

    def close(self) -> None:
        """Lets idle threads end; one that is still in a function ends after it."""
        for _ in range(self._started):
            self._calls.put(None)
        self._started = 0

    def _ended(self, call: _Call, ended: _Ended) -> None:
        self._busy -= 1
        if call.done.done():
            self._most -= 1
        else:
            call.done.set_result(ended)


def _work(calls: _Queue) -> None:
    while (call := calls.get()) is not None:
        # Nobody waits any more for one that was cancelled.
        ended = _Ended() if call.done.cancelled() else _called(call)
        try:
            call.loop.call_soon_threadsafe(call.deliver, call, ended)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return
        del call, ended


def _called(call: _Call) -> _Ended:
    try:
        return _Ended(value=call.context.run(call.function))
    except BaseException as error:
        # Anything at all, SystemExit included, belongs to the job and not to the thread.
        return _Ended(error=error)
