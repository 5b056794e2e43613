"""The exporter sink: takes what a broker's own Elasticsearch (or OpenSearch) exporter pushes, and says "stored" only when it is.

A broker keeps every record until its exporter was told that it is stored. So while the sink is down, or cannot write, nothing is lost: the
exporter repeats its request, and the log leaves out what it has already.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from camunda_workers.errors import CamundaWorkersError, ConfigurationError, MissingExtra, ReadModelError
from camunda_workers.events.log import EventLog
from camunda_workers.events.source import Follower
from camunda_workers.events.sources.bulk_request import MOST_BYTES, BadRequest, Bulk, read_bulk, unpacked
from camunda_workers.serving import Served, listen, serve

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_logger = logging.getLogger(__name__)

_WHAT: Final = "the exporter sink"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_VERSION: Final = {"name": "camunda-workers", "version": {"number": "8.13.0"}, "tagline": "You Know, for Search"}
"""What an exporter wants to hear; its Java client refuses a server that does not name itself so."""
_SOON_READ: Final = 32 * 1024
"""Bytes of a request that are read at once."""
_HEADERS: Final = {"X-Elastic-Product": "Elasticsearch"}


class ExporterSink:
    """An HTTP server that a broker's exporter pushes records to.

    Args:
        log: where they go. Open it with ``durable=True``: the broker forgets what it was told is stored.
        username: what the exporter must give as its name.
        password: and as its password. Without one the sink listens on loopback only.
        host: where to listen.
        port: and on which port; 0 takes a free one.
        followers: fed after what came was stored and answered: the read model, a notary.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        username: str = "zeebe",
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        followers: Sequence[Follower] = (),
    ) -> None:
        if password is None and host not in LOOPBACK:
            raise ConfigurationError(
                f"a sink that listens on {host} needs a password: set CAMUNDA_WORKERS_SINK_PASSWORD, and the same in the exporter's authentication"
            )
        self._log = log
        self._expected = f"{username}:{password}".encode() if password is not None else None
        self._host = host
        self._port = port
        self._followers = tuple(followers)
        self._stored = asyncio.Event()
        self._served: Served | None = None
        self._following: asyncio.Task[None] | None = None
        self.records = 0
        """How many records were added since the start."""

    @property
    def address(self) -> str:
        """What the exporter's ``url`` is set to."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> Self:
        """Start to listen.

        Raises:
            ConfigurationError: the port is taken.
            MissingExtra: starlette or uvicorn is not installed.
        """
        try:
            app = self.app()
        except ImportError as error:
            raise MissingExtra("embedded", _WHAT) from error
        listener = listen(self._host, self._port, what="the sink's port")
        self._port = int(listener.getsockname()[1])
        self._served = await serve(app, listener, what=_WHAT, name="camunda-workers-sink", timeout_graceful_shutdown=5)
        self._following = asyncio.create_task(self._follow(), name="camunda-workers-sink-followers")
        return self

    async def stop(self) -> None:
        """Finish the requests under way and stop listening."""
        if self._served is not None:
            await self._served.stop()
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
            await self._feed()
        self._served = self._following = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def app(self) -> Starlette:
        """The sink as an ASGI application, for a server of one's own."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/_bulk", self._bulk, methods=["POST", "PUT"]),
                Route("/_status", self._status, methods=["GET"]),
                Route("/_plugins/_ism/{path:path}", self._life_cycles, methods=["GET", "PUT", "POST", "DELETE"]),
                Route("/{path:path}", self._rest, methods=["GET", "HEAD", "PUT", "POST"]),
            ]
        )

    async def _bulk(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        try:
            body = await self._body(request)
            encoding = request.headers.get("content-encoding", "").lower()
            # A few records are read sooner than a thread has begun; many would keep others waiting, and who knows what is packed.
            soon = len(body) <= _SOON_READ and encoding in ("", "identity")
            bulk = _read(body, encoding) if soon else await asyncio.to_thread(_read, body, encoding)
            for partition, lines in bulk.partitions.items():
                self.records += await self._log.append(lines, partition=partition)
        except BadRequest as error:
            _logger.warning("the sink refused a request of the exporter: %s", error)
            return _error(error.status, str(error))
        except ReadModelError as error:
            # Not the broker's fault (a full disk, a database that restarts) or not to be mended by it: either way it keeps its records and asks again.
            _logger.error("the sink could not store what the exporter sent: %s", error)
            return _error(503, str(error))
        self._stored.set()
        # Exporters look at "errors" only; a list as long as the request would be as much work as the request.
        item = '{"index":{"status":201}}'
        return _json(f'{{"took":0,"errors":false,"items":[{",".join([item] * bulk.count)}]}}')

    async def _body(self, request: Request) -> bytes:
        pieces: list[bytes] = []
        total = 0
        async for piece in request.stream():  # a client that goes away in the middle raises here
            total += len(piece)
            if total > MOST_BYTES:
                raise BadRequest(413, f"the request is larger than {MOST_BYTES // 2**20} MB")
            pieces.append(piece)
        announced = request.headers.get("content-length")
        if announced is not None and announced.isdigit() and int(announced) != total:
            raise BadRequest(400, f"the request is cut off: {total} bytes came of {announced}")
        return b"".join(pieces)

    async def _status(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        import json

        heads = await self._log.heads()
        return _json(json.dumps({"records": await self._log.size(), "positions": {str(one): head.position for one, head in heads.items()}}))

    async def _rest(self, request: Request) -> Response:
        """Whatever else an exporter asks before it sends: who are you, and please keep this template."""
        import json

        if (refused := self._refused(request)) is not None:
            return refused
        if request.method in ("PUT", "POST"):
            await self._body(request)
            return _json('{"acknowledged":true}')
        return _json(json.dumps(_VERSION))

    async def _life_cycles(self, request: Request) -> Response:
        """What OpenSearch's exporter wants of the plugin that manages how long indices live: there are none here, so there is nothing to manage.

        It takes any answer for a policy that is there, and goes no further before it has removed it.
        """
        import json

        if (refused := self._refused(request)) is not None:
            return refused
        await self._body(request)
        if request.method == "GET":
            return _error(404, "no life cycles are managed here")
        if request.method == "DELETE":
            return _json('{"result":"deleted"}')
        if request.method == "PUT":
            policy = {"policy_id": request.url.path.rpartition("/")[2]}
            return _json(json.dumps({"policy": {"policy": policy}}), 201)
        return _json('{"updated_indices":0,"failures":false,"failed_indices":[]}')

    def _refused(self, request: Request) -> Response | None:
        if self._expected is None:
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            decoded = base64.b64decode(given, validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            decoded = b""
        if hmac.compare_digest(decoded, self._expected):
            return None
        response = _error(401, "wrong name or password: set them in the exporter's authentication.username and .password")
        response.headers["WWW-Authenticate"] = 'Basic realm="camunda-workers"'
        return response

    async def _follow(self) -> None:
        while True:
            await self._stored.wait()
            self._stored.clear()
            await self._feed()

    async def _feed(self) -> None:
        for follower in self._followers:
            try:
                await follower.catch_up()
            except CamundaWorkersError as error:
                _logger.error("%s cannot follow the log: %s", type(follower).__name__, error)


def _read(body: bytes, encoding: str) -> Bulk:
    return read_bulk(unpacked(body, encoding))


def _json(text: str, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(text, status, headers=_HEADERS, media_type="application/json")


def _error(status: int, reason: str) -> Response:
    import json

    return _json(json.dumps({"error": {"type": "camunda_workers_sink", "reason": reason}, "status": status}), status)


def exporter_properties(address: str, *, username: str = "zeebe", password: str | None = None, name: str = "records") -> dict[str, Any]:
    """The broker's configuration (Spring's names) with which its Elasticsearch exporter pushes everything to a sink.

    Commands and rejections are left to the broker's defaults (not exported): what happened are the events.
    """
    base = f"zeebe.broker.exporters.{name}"
    indexed = (
        "decision", "decisionEvaluation", "decisionRequirements", "deployment", "error", "escalation", "form", "incident", "job", "jobBatch",
        "message", "messageStartEventSubscription", "messageSubscription", "process", "processEvent", "processInstance",
        "processInstanceCreation", "processInstanceMigration", "processInstanceModification", "processMessageSubscription", "resourceDeletion",
        "signal", "signalSubscription", "timer", "userTask", "variable", "variableDocument", "compensationSubscription",
    )  # fmt: skip
    properties: dict[str, Any] = {
        f"{base}.className": "io.camunda.zeebe.exporter.ElasticsearchExporter",
        f"{base}.args.url": address,
        f"{base}.args.bulk.delay": 1,
        f"{base}.args.bulk.size": 1000,
        **{f"{base}.args.index.{kind}": True for kind in indexed},
    }
    if password is not None:
        properties |= {f"{base}.args.authentication.username": username, f"{base}.args.authentication.password": password}
    return properties
