"""What every handler works on, kept on the application's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from camunda_workers.engine.embedded.auth.caller import DEVELOPER, Caller

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.bridge import Bridge
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.events import ReadModel


def engine_of(request: Request) -> EmbeddedEngine:
    """Return the engine that is served."""
    return request.app.state.engine


def bridge_of(request: Request) -> Bridge:
    """Return the way to execute commands."""
    return engine_of(request).bridge


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    return getattr(request.state, "caller", DEVELOPER)


async def model_of(request: Request) -> ReadModel:
    """Return what searches are answered from, caught up with the engine."""
    return await engine_of(request).read_model()
