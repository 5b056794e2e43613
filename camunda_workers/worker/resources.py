"""Resources of routers: checked before anything starts, opened in order, closed in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.router import Factory, Router


class Resources:
    """What ``Annotated[T, Provided]`` parameters get.

    A parameter gets, in this order: what the runner was given for its type, what its own router provides, what another router provides, and
    the runner's client if it is one.

    Args:
        routers: say how resources are opened.
        given: open resources by type; they stay open when the runner stops.
        client: the runner's own.
    """

    def __init__(self, routers: Sequence[Router], *, given: Mapping[Any, object], client: object) -> None:
        self._routers = routers
        self._given = given
        self._client = client
        self._stack = AsyncExitStack()
        self._open: dict[int, object] = {}

    def check(self) -> None:
        """Makes sure that every parameter will get its resource.

        Raises:
            ConfigurationError: names the function, the parameter and the fix.
        """
        for router in self._routers:
            for worker in router:
                for name, kind in worker.definition.parameters.resources.items():
                    if not self._is_given(kind) and self._factory(kind, router) is None:
                        shown = getattr(kind, "__name__", str(kind))
                        raise ConfigurationError(
                            f"{worker.definition.name}: nobody provides {shown} for parameter '{name}'. "
                            f"Fix: router.provide({shown}, open_it), where open_it() is an async context manager"
                        )

    async def open(self) -> None:
        """Opens everything that is provided; if one cannot be opened, those before it are closed and its error is raised."""
        try:
            for router in self._routers:
                for kind, factory in router.factories.items():
                    if kind not in self._given and id(factory) not in self._open:
                        self._open[id(factory)] = await self._stack.enter_async_context(factory())
        except BaseException:
            await self._stack.aclose()
            raise

    async def close(self) -> None:
        """Closes what was opened, the last first."""
        await self._stack.aclose()

    def of(self, definition: Definition, router: Router) -> dict[str, object]:
        """Parameter name to open resource, for one worker."""
        return {name: self._get(kind, router) for name, kind in definition.parameters.resources.items()}

    def _get(self, kind: Any, router: Router) -> object:
        if kind in self._given:
            return self._given[kind]
        factory = self._factory(kind, router)
        return self._client if factory is None else self._open[id(factory)]

    def _is_given(self, kind: Any) -> bool:
        return kind in self._given or (isinstance(kind, type) and type(self._client).__mro__.count(kind) > 0)

    def _factory(self, kind: Any, router: Router) -> Factory[Any] | None:
        if kind in router.factories:
            return router.factories[kind]
        return next((other.factories[kind] for other in self._routers if kind in other.factories), None)
