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
        done.add_done_callback(self._ended)
        self._calls.put(_Call(function, contextvars.copy_context(), loop, done))
        if self._started < min(self._busy, self._most):
            self._started += 1
            threading.Thread(target=_work, args=(self._calls,), name=f"{self._name}-{self._started}", daemon=True).start()
        ended = await done
        if ended.error is not None:
            raise ended.error
        return ended.value

    def close(self) -> None:
        """Lets idle threads end; one that is still in a function ends after it."""
        for _ in range(self._started):
            self._calls.put(None)
        self._started = 0

    def _ended(self, _: asyncio.Future[_Ended]) -> None:
        self._busy -= 1


def _work(calls: _Queue) -> None:
    while (call := calls.get()) is not None:
        try:
            ended = _Ended(value=call.context.run(call.function))
        except BaseException as error:
            # Anything at all, SystemExit included, belongs to the job and not to the thread.
            ended = _Ended(error=error)
        try:
            call.loop.call_soon_threadsafe(_deliver, call.done, ended)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return
        del call, ended


def _deliver(done: asyncio.Future[_Ended], ended: _Ended) -> None:
    if not done.done():
        done.set_result(ended)
