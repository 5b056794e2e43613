"""Takes the records that a real broker's own Elasticsearch exporter pushes, and gives them out as a record source."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RecordStore:
    """Records in the order of their positions, filled by the sink's threads, read by event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[tuple[int, str]] = []
        self._waiters: set[Callable[[], None]] = set()
        self.last_at = time.monotonic()

    @property
    def position(self) -> int:
        """The position of the latest record."""
        with self._lock:
            return self._lines[-1][0] if self._lines else 0

    def add(self, lines: list[str]) -> None:
        """Take records; those that were pushed before are left out."""
        with self._lock:
            last = self._lines[-1][0] if self._lines else 0
            new = [(int(json.loads(line)["position"]), line) for line in lines]
            self._lines += [(position, line) for position, line in new if position > last]
            self.last_at = time.monotonic()
            waiters = list(self._waiters)
        for wake in waiters:
            wake()

    def definitions(self, until: int) -> list[str]:
        """The records that deployed something, up to a position: a diagram that has not changed is not deployed again."""
        kinds = ('"valueType":"PROCESS"', '"valueType":"DECISION_REQUIREMENTS"')
        with self._lock:
            return [line for position, line in self._lines if position <= until and any(kind in line for kind in kinds)]

    async def read(self, after: int, limit: int) -> list[str]:
        """Records above a position."""
        with self._lock:
            return [line for position, line in self._lines if position > after][:limit]

    async def wait(self, after: int, timeout: float) -> bool:
        """Wait for a record above a position."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(event.set)

        with self._lock:
            self._waiters.add(wake)
        try:
            if self.position > after:
                return True
            async with asyncio.timeout(timeout):
                await event.wait()
            return True
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiters.discard(wake)


class Sink:
    """An HTTP server on loopback that answers as far as the exporter asks of an Elasticsearch."""

    def __init__(self) -> None:
        self.store = RecordStore()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.store))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the broker is killed in the middle of a request
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="record-sink", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the exporter finds it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(store: RecordStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self._body()
            self._answer({"acknowledged": True})

        def do_HEAD(self) -> None:
            self._answer({})

        def do_GET(self) -> None:
            self._answer({"version": {"number": "8.13.0"}, "tagline": "You Know, for Search"})

        def do_POST(self) -> None:
            lines = self._body().decode().splitlines()
            # Each record is preceded by a line that says into which index it goes.
            store.add([line for line in lines[1::2] if line])
            self._answer({"errors": False, "items": [{"index": {"status": 201, "_id": "-"}} for _ in lines[1::2]]})

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts: list[bytes] = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                content = b"".join(parts)
            else:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

        def _answer(self, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            for name, text in (
                ("Content-Type", "application/json"),
                ("X-Elastic-Product", "Elasticsearch"),
                ("Content-Length", str(len(content))),
            ):
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler
