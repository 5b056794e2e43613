"""Finds an operation by the shape of its path, instead of asking each of ninety whether it is the one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

_FIRST = 2
"""Where the first part behind ``/v2`` is; it is never a parameter."""


class Table(BaseRoute):
    """Many routes as one: those with the same number of parts and the same first one are asked, in their order.

    Args:
        routes: below one prefix of one part, the first part behind it fixed.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape: defaultdict[tuple[int, str], list[Route]] = defaultdict(list)
        for route in routes:
            self._by_shape[_shape(route.path)].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return the route's own answer; one that takes the method goes before one that takes the path only."""
        partial: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partial
        for route in self._by_shape.get(_shape(scope["path"]), ()):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, "served": route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**child, "served": route}
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the route that was found."""
        await scope["served"].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: str) -> URLPath:
        """Return the path of the route with this name."""
        for routes in self._by_shape.values():
            for route in routes:
                if route.name == name:
                    return route.url_path_for(name, **path_params)
        raise NoMatchFound(name, path_params)


def _shape(path: str) -> tuple[int, str]:
    parts = path.split("/")
    return len(parts), parts[_FIRST] if len(parts) > _FIRST else ""
