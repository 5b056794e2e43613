"""The one door to Java: classes of the engine by their short names, looked up once.

The virtual machine must be running (``jvm.start_jvm``). Everything Java is ``Any`` to the type checker; the modules beside this
one turn it into Python values before it leaves the package.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from camunda_workers.engine.embedded.jvm import import_jpype

jpype: Any = import_jpype()

ZEEBE = "io.camunda.zeebe."

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="camunda-java")


async def in_java_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that waits for Java outside the event loop and return what it returns.

    Every Python thread that has called Java stays known there after its end. So these are few and stay, instead of the loop's own
    threads, which come and go with it: one more for ever with each engine.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, functools.partial(function, *args, **kwargs))


@functools.cache
def java_class(name: str) -> Any:
    """Return the Java class of this full name."""
    return jpype.JClass(name)


def zeebe(name: str) -> Any:
    """Return the engine's class of this name below ``io.camunda.zeebe``."""
    return java_class(ZEEBE + name)


def to_java_buffer(data: bytes) -> Any:
    """Return the bytes as the buffer type the engine reads from."""
    return java_class("org.agrona.concurrent.UnsafeBuffer")(jpype.JArray(jpype.JByte)(data))


def read_buffer(buffer: Any) -> bytes:
    """Return the bytes a Java ``DirectBuffer`` shows."""
    length = int(buffer.capacity())
    if length == 0:
        return b""
    target = jpype.JArray(jpype.JByte)(length)
    buffer.getBytes(0, target)
    return bytes(memoryview(target).cast("B"))


@functools.cache
def _meters_class() -> Any:
    @jpype.JImplements("java.util.function.Supplier")
    class Meters:
        """Counters for whoever asks; nothing reads them."""

        @jpype.JOverride
        def get(self) -> Any:
            return java_class("io.micrometer.core.instrument.simple.SimpleMeterRegistry")()

    return Meters


def meter_supplier() -> Any:
    """Return a supplier of meter registries."""
    return _meters_class()()
