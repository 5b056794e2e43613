"""The ASGI application of the REST face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest import (
    batches,
    cluster,
    decisions,
    deployments,
    documents,
    element_instances,
    jobs,
    messages,
    not_served,
    process_instances,
    search,
    statistics,
    user_tasks,
    variables,
)
from camunda_workers.engine.embedded.rest.batch_runner import Batches
from camunda_workers.engine.embedded.rest.batch_store import FILE, BatchStore
from camunda_workers.engine.embedded.rest.batch_work import BatchWork
from camunda_workers.engine.embedded.rest.describe import describe
from camunda_workers.engine.embedded.rest.document_store import DocumentStore
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import on_anything_else, on_engine_error, on_hang_up, on_http_error
from camunda_workers.engine.embedded.rest.table import Table
from camunda_workers.errors import EngineError

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine

OPERATIONS: list[Operation] = [
    *cluster.OPERATIONS,
    *deployments.OPERATIONS,
    *process_instances.OPERATIONS,
    *element_instances.OPERATIONS,
    *jobs.OPERATIONS,
    *user_tasks.OPERATIONS,
    *messages.OPERATIONS,
    *decisions.OPERATIONS,
    *documents.OPERATIONS,
    *batches.OPERATIONS,
    *search.OPERATIONS,
    *variables.OPERATIONS,
    *statistics.OPERATIONS,
]
"""Everything that is served; a path with a fixed part comes before the one with a key in its place."""


async def health(request: Request) -> Response:
    """Liveness and readiness of the engine, as the real broker's management endpoint words it."""
    up = request.app.state.engine.healthy()
    return JSONResponse({"status": "UP" if up else "DOWN"}, status_code=200 if up else 503)


async def description(request: Request) -> Response:
    """What is served, as an OpenAPI description."""
    return JSONResponse(describe(OPERATIONS, request.app.state.engine.bridge.version))


def create_app(engine: EmbeddedEngine) -> Starlette:
    """Return the application that serves an engine."""
    fixed_first = sorted(OPERATIONS, key=lambda operation: operation.path.count("{"))
    routes = [
        Table(operation.route() for operation in fixed_first),
        *not_served.routes(),
        Route("/actuator/health", health),
        Route("/v3/api-docs", description),
    ]
    handlers = {
        EngineError: on_engine_error,
        HTTPException: on_http_error,
        ClientDisconnect: on_hang_up,
        Exception: on_anything_else,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.engine = engine
    app.state.documents = DocumentStore(None if engine.data is None else engine.data / "documents")
    store = None if engine.data is None else BatchStore(engine.data / FILE)
    app.state.batches = Batches(engine, BatchWork(engine), store)
    return app
