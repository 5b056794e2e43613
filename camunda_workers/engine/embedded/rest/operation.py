"""One operation of the API: where it is, what it takes, what it answers. Routes and the API's description are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest.bodies import Body, read_body

PREFIX = "/v2"

Handler = Callable[..., Awaitable[Response]]
"""``handler(request)``, or ``handler(request, body)`` where the operation has one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation in the words of Camunda's description.

    Attributes:
        method: HTTP's.
        path: below ``/v2``, with the description's parameter names.
        handle: what does it; its name is the operation's id, its docstring the summary.
        body: the model of the JSON it takes.
        answers: the statuses of success.
        refusals: the statuses of refusal beside those that every operation has.
        query: parameters of the query by name, as JSON schemas.
        form: the JSON schema of a multipart form, for those that take files.
        shown: the media type of a successful answer.
        name: the operation's id where the handler serves several.
    """

    method: str
    path: str
    handle: Handler
    body: type[Body] | None = None
    answers: Sequence[int] = (200,)
    refusals: Sequence[int] = ()
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    form: Mapping[str, Any] | None = None
    body_schema: Mapping[str, Any] | None = None
    shown: str = "application/json"
    name: str = ""

    @property
    def operation_id(self) -> str:
        """The operation's id, as in Camunda's description."""
        return self.name or to_camel(self.handle.__name__)

    def route(self) -> Route:
        """Return the route that serves it."""
        handle, model = self.handle, self.body

        async def endpoint(request: Request) -> Response:
            return await (handle(request) if model is None else handle(request, await read_body(request, model)))

        return Route(PREFIX + self.path, endpoint, methods=[self.method], name=self.operation_id)
