"""The ASGI application of the REST face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest import cluster, instances, jobs, search, user_tasks
from camunda_workers.engine.embedded.rest.problem import on_engine_error, on_http_error
from camunda_workers.errors import EngineError

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine


async def health(request: Request) -> Response:
    """Liveness and readiness of the engine, as the real broker's management endpoint words it."""
    up = request.app.state.engine.healthy()
    return JSONResponse({"status": "UP" if up else "DOWN"}, status_code=200 if up else 503)


def create_app(engine: EmbeddedEngine) -> Starlette:
    """Return the application that serves an engine."""
    routes = [
        *cluster.ROUTES,
        *instances.ROUTES,
        *jobs.ROUTES,
        *search.ROUTES,
        *user_tasks.ROUTES,
        Route("/actuator/health", health),
    ]
    app = Starlette(routes=routes, exception_handlers={EngineError: on_engine_error, HTTPException: on_http_error})
    app.state.engine = engine
    return app
