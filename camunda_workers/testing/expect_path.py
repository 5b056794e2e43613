"""Expectations about elements: where an instance waits, what it has passed, and in which order."""

from __future__ import annotations

from collections import Counter

from camunda_workers.testing.expect_base import Expectations
from camunda_workers.testing.facts import ElementFact
from camunda_workers.testing.failures import is_expectation, listed

__tracebackhide__ = is_expectation


class PathExpectations(Expectations):
    """Where it is and where it has been; elements are named by their ids, those of called processes too."""

    async def to_be_waiting_at(self, *element_ids: str) -> None:
        """These elements are active; others may be."""
        await self._check(*element_ids)
        await self._until(
            lambda: set(element_ids) <= set(self._active()), lambda: f"expected to be waiting at {listed(element_ids)}, but {self._where()}"
        )

    async def to_be_waiting_exactly_at(self, *element_ids: str) -> None:
        """These elements are active and no others (sub-processes around them do not count), each as often as it is named."""
        await self._check(*element_ids)
        wanted = Counter(element_ids)

        def holds() -> bool:
            return Counter(self._active(leaves=True)) == wanted or Counter(self._active()) == wanted

        await self._until(holds, lambda: f"expected to be waiting at exactly {listed(element_ids) or 'nothing'}, but {self._where()}")

    async def to_not_be_waiting_at(self, *element_ids: str) -> None:
        """None of these elements is active, now that everything has settled."""
        await self._check(*element_ids)
        await self._settled()
        found = [one for one in element_ids if one in self._active()]
        await self._now(not found, lambda: f"expected not to be waiting at {listed(found)}, but it is")

    async def to_have_passed(self, *element_ids: str) -> None:
        """These elements have completed in this order; others may have completed between them."""
        await self._check(*element_ids)

        def expected() -> str:
            done = self._completed()
            missing = [one for one in element_ids if one not in done]
            if missing:
                more = self._ended_otherwise(missing)
                return f"expected to have passed {listed(element_ids)}, but {listed(missing)} {'has' if len(missing) == 1 else 'have'} not completed{more}"
            return f"expected to have passed {listed(element_ids)} in this order, but the order was {' > '.join(one for one in done if one in element_ids)}"

        await self._until(lambda: is_subsequence(element_ids, self._completed()), expected)

    async def to_have_passed_exactly(self, *element_ids: str) -> None:
        """These elements have completed in this order, and no others."""
        await self._check(*element_ids)

        def expected() -> str:
            return f"expected to have passed exactly {' > '.join(element_ids) or 'nothing'}, but it passed {' > '.join(self._completed()) or 'nothing'}"

        await self._until(lambda: self._completed() == list(element_ids), expected)

    async def to_have_completed(self, *element_ids: str, times: int | None = None) -> None:
        """These elements have completed, in whatever order; with ``times``, each exactly so often."""
        await self._check(*element_ids)

        def counts() -> Counter[str]:
            return Counter(self._completed())

        def holds() -> bool:
            done = counts()
            return all(done[one] == times if times is not None else done[one] > 0 for one in element_ids)

        def expected() -> str:
            done = counts()
            if times is not None:
                return f"expected {listed(element_ids)} to have completed {times} times, but: " + ", ".join(
                    f"{one} {done[one]}" for one in element_ids
                )
            missing = [one for one in element_ids if not done[one]]
            return f"expected {listed(element_ids)} to have completed, but not {listed(missing)}{self._ended_otherwise(missing)}"

        await self._until(holds, expected)

    async def to_have_terminated(self, *element_ids: str) -> None:
        """These elements were active and were interrupted."""
        await self._check(*element_ids)
        ended = lambda: {one.element_id for one in self._elements() if one.state == "terminated"}  # noqa: E731

        def expected() -> str:
            return f"expected {listed(element_ids)} to have been terminated, but not {listed(one for one in element_ids if one not in ended())}"

        await self._until(lambda: set(element_ids) <= ended(), expected)

    async def to_not_have_passed(self, *element_ids: str) -> None:
        """None of these elements has completed, now that everything has settled."""
        await self._check(*element_ids)
        await self._settled()
        found = [one for one in element_ids if one in self._completed()]
        await self._now(
            not found, lambda: f"expected not to have passed {listed(found)}, but {'it' if len(found) == 1 else 'they'} completed"
        )

    async def to_not_have_entered(self, *element_ids: str) -> None:
        """None of these elements was ever activated, now that everything has settled."""
        await self._check(*element_ids)
        await self._settled()
        entered = {one.element_id for one in self._elements()}
        found = [one for one in element_ids if one in entered]
        await self._now(not found, lambda: f"expected never to have entered {listed(found)}, but it did")

    async def to_have_taken(self, *flow_ids: str) -> None:
        """These sequence flows were taken, in this order."""
        await self._check(*flow_ids)

        def flows() -> list[str]:
            journal = self._kit.journal
            return [flow for key in journal.descendants(self._instance.key) for flow in journal.instances[key].flows]

        await self._until(
            lambda: is_subsequence(flow_ids, flows()),
            lambda: f"expected to have taken {listed(flow_ids)} in this order, but it took {', '.join(flows())}",
        )

    def _elements(self) -> list[ElementFact]:
        journal = self._kit.journal
        known = [journal.instances[key] for key in journal.descendants(self._instance.key) if key in journal.instances]
        return [element for one in known for element in one.elements.values()]

    def _active(self, *, leaves: bool = False) -> list[str]:
        active = [one for one in self._elements() if one.state == "active"]
        scopes = {one.scope for one in active} if leaves else set[int]()
        return [one.element_id for one in active if one.key not in scopes]

    def _completed(self) -> list[str]:
        done = [one for one in self._elements() if one.state == "completed"]
        return [one.element_id for one in sorted(done, key=lambda one: one.ended)]

    def _where(self) -> str:
        active = self._active()
        if active:
            return f"it is at {listed(active)}"
        fact = self._fact()
        return f"it is {fact.state}" if fact is not None else "it is not there"

    def _ended_otherwise(self, element_ids: list[str]) -> str:
        states = {one.element_id: one.state for one in self._elements() if one.element_id in element_ids}
        return f" ({', '.join(f'{name} is {state}' for name, state in states.items())})" if states else ""


def is_subsequence(wanted: tuple[str, ...] | list[str], done: list[str]) -> bool:
    """Whether ``wanted`` occurs in ``done`` in this order, with anything between."""
    left = iter(done)
    return all(one in left for one in wanted)
