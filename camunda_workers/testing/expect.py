"""``await expect(order).to_be_waiting_at("approve")``: expectations about a process instance or a user task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast, overload

from camunda_workers.testing.expect_path import PathExpectations
from camunda_workers.testing.expect_task import TaskExpectations
from camunda_workers.testing.expect_work import WorkExpectations
from camunda_workers.testing.failures import is_expectation
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.story import value_text

__tracebackhide__ = is_expectation


class InstanceExpectations(PathExpectations, WorkExpectations):
    """What must be true of a process instance.

    Each method waits until it is, looking at the engine's records whenever there are new ones; it fails as soon as nothing more will happen,
    and after ``timeout`` seconds at the latest. A failure tells the instance's story. ``to_not_…`` and ``to_have_no_…`` first wait until the
    engine has settled.
    """

    async def to_be_active(self) -> None:
        """It runs."""
        await self._state("active")

    async def to_be_completed(self) -> None:
        """It has completed."""
        await self._state("completed")

    async def to_be_terminated(self) -> None:
        """It was cancelled or terminated."""
        await self._state("terminated")

    async def to_be_created(self) -> None:
        """It exists, in whatever state."""
        await self._until(lambda: self._fact() is not None, lambda: "expected the process instance to exist")

    async def to_have_variable(self, name: str, value: Any = ..., *, element: str | None = None) -> None:
        """It has a variable; with a value, that value (JSON equality). ``element`` means the scope of that element."""
        if element is not None:
            await self._check(element)

        def holds() -> bool:
            scope = self._scope(element)
            return name in scope and (value is ... or same(scope[name], value))

        def expected() -> str:
            scope = self._scope(element)
            where = f" at '{element}'" if element is not None else ""
            wanted = f"expected variable '{name}'{where}" + ("" if value is ... else f" to be {value_text(value)}")
            return f"{wanted}, but it is {value_text(scope[name])}" if name in scope else f"{wanted}, but there is no such variable"

        await self._until(holds, expected)

    async def to_have_variables(self, values: Mapping[str, Any] | None = None, /, *, element: str | None = None, **more: Any) -> None:
        """It has these variables with these values; others may be there."""
        wanted = {**(values or {}), **more}
        if element is not None:
            await self._check(element)

        def wrong() -> list[str]:
            scope = self._scope(element)
            return [name for name, value in wanted.items() if name not in scope or not same(scope[name], value)]

        def expected() -> str:
            scope = self._scope(element)
            parts = [
                f"'{n}' to be {value_text(wanted[n])}, but it is {value_text(scope[n]) if n in scope else 'not there'}" for n in wrong()
            ]
            return "expected variable " + " and ".join(parts)

        await self._until(lambda: not wrong(), expected)

    async def to_have_variable_names(self, *names: str, element: str | None = None) -> None:
        """It has variables with these names."""
        missing = lambda: [name for name in names if name not in self._scope(element)]  # noqa: E731
        await self._until(lambda: not missing(), lambda: f"expected variables {', '.join(names)}, but not there: {', '.join(missing())}")

    async def to_not_have_variable(self, name: str) -> None:
        """It has no variable of this name, now that everything has settled."""
        await self._settled()
        await self._now(
            name not in self._scope(None), lambda: f"expected no variable '{name}', but it is {value_text(self._scope(None)[name])}"
        )

    async def to_satisfy(self, expression: str, *, element: str | None = None) -> None:
        """A FEEL expression over its variables is true (evaluated by the engine's own FEEL)."""
        from camunda_workers.testing.feel import evaluate

        seen: list[Any] = [None]

        def holds() -> bool:
            seen[0] = evaluate(expression, {**self._scope(None), **(self._scope(element) if element is not None else {})})
            return seen[0] is True

        await self._until(holds, lambda: f"expected {expression} to be true, but it is {value_text(seen[0])}")

    async def _state(self, state: str) -> None:
        def expected() -> str:
            fact = self._fact()
            return f"expected the process instance to be {state}, but it is {fact.state if fact is not None else 'not there'}"

        await self._until(lambda: (fact := self._fact()) is not None and fact.state == state, expected)

    def _scope(self, element: str | None) -> Mapping[str, Any]:
        journal = self._kit.journal
        if element is None:
            return journal.variables.get(self._instance.key, {})
        fact = self._fact()
        keys: Iterable[int] = [one.key for one in fact.elements.values() if one.element_id == element] if fact is not None else []
        found: dict[str, Any] = {}
        for key in keys:
            found.update(journal.variables.get(key, {}))
        return found


def same(actual: Any, expected: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are, 1 and true are not, and models are compared as what they become."""
    from camunda_workers.client.variables import to_jsonable

    plain = to_jsonable({"it": expected})["it"]
    return _same(actual, plain)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        some, others = cast("list[Any]", one), cast("list[Any]", other)
        return len(some) == len(others) and all(_same(a, b) for a, b in zip(some, others, strict=True))
    return bool(one == other)


@overload
def expect(subject: Instance, *, timeout: float | None = None) -> InstanceExpectations: ...
@overload
def expect(subject: UserTask, *, timeout: float | None = None) -> TaskExpectations: ...
def expect(subject: Any, *, timeout: float | None = None) -> Any:
    """Say what must be true of a process instance or a user task.

    Args:
        subject: what ``camunda.start`` or ``camunda.task`` gave.
        timeout: seconds to wait at most, even while the engine is quiet; by default the kit's timeout, and failure as soon as nothing more
            will happen.

    Raises:
        TypeError: there is nothing to expect of such a thing.
    """
    if isinstance(subject, Instance):
        return InstanceExpectations(subject, timeout)
    if isinstance(subject, UserTask):
        return TaskExpectations(subject, timeout)
    if hasattr(subject, "__await__"):
        raise TypeError("expect() was given something that was not awaited: order = await camunda.start(...)")
    raise TypeError(f"expect() takes a process instance or a user task, not {type(subject).__name__}")
