"""Expectations about what an instance does and meets: incidents, jobs, messages, decisions, user tasks, called processes."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from camunda_workers.testing.expect_base import Expectations
from camunda_workers.testing.facts import DecisionFact, IncidentFact, JobFact, SubscriptionFact, TaskFact
from camunda_workers.testing.failures import is_expectation, listed
from camunda_workers.testing.story import value_text

__tracebackhide__ = is_expectation


class WorkExpectations(Expectations):
    """Incidents, jobs, messages, decisions, user tasks."""

    async def to_have_incident(self, element_id: str | None = None, *, error_type: str | None = None, message: str | None = None) -> None:
        """It has an active incident: at this element, of this type (``JOB_NO_RETRIES`` …), with this in its message."""
        if element_id is not None:
            await self._check(element_id)

        def matches(one: IncidentFact) -> bool:
            value = one.value
            return (
                element_id in (None, value["elementId"])
                and error_type in (None, value["errorType"])
                and (message is None or message in value["errorMessage"])
            )

        def expected() -> str:
            found = self._incidents()
            rows = [f"{one.value['errorType']} at '{one.value['elementId']}' ({one.value['errorMessage']})" for one in found]
            return f"expected an incident{_where(element_id)}{_of(error_type)}{_with(message)}, but there is {' and '.join(rows) or 'none'}"

        await self._until(lambda: any(matches(one) for one in self._incidents()), expected)

    async def to_have_no_incident(self) -> None:
        """It has no active incident, now that everything has settled."""
        await self._settled()
        found = self._incidents()
        await self._now(not found, lambda: f"expected no incident, but there is one at {listed(one.value['elementId'] for one in found)}")

    async def to_have_job(self, job_type: str, *, element: str | None = None, state: str = "created", retries: int | None = None) -> None:
        """It has a job of this type; state is created, activated, completed, failed, error or canceled."""

        def matches(one: JobFact) -> bool:
            return (
                one.type == job_type
                and one.state == state
                and element in (None, one.element_id)
                and retries in (None, one.value["retries"])
            )

        def expected() -> str:
            rows = [f"{one.type} at '{one.element_id}' ({one.state}, {one.value['retries']} retries)" for one in self._jobs()]
            left = f" with {retries} retries" if retries is not None else ""
            return (
                f"expected a job of type '{job_type}'{_where(element)} to be {state}{left}, but its jobs are: {'; '.join(rows) or 'none'}"
            )

        await self._until(lambda: any(matches(one) for one in self._jobs()), expected)

    async def to_be_awaiting_message(self, name: str, correlation_key: str | None = None) -> None:
        """It waits for this message, under this correlation key."""
        await self._until(
            lambda: any(one.state == "waiting" for one in self._subscriptions(name, correlation_key)),
            lambda: f"expected to be awaiting message '{name}'{_for(correlation_key)}, but {self._awaited()}",
        )

    async def to_not_be_awaiting_message(self, name: str, correlation_key: str | None = None) -> None:
        """It does not wait for this message, now that everything has settled."""
        await self._settled()
        found = any(one.state == "waiting" for one in self._subscriptions(name, correlation_key))
        await self._now(not found, lambda: f"expected not to be awaiting message '{name}'{_for(correlation_key)}, but it is")

    async def to_have_received_message(self, name: str, correlation_key: str | None = None) -> None:
        """This message was correlated with it."""
        await self._until(
            lambda: any(one.correlated for one in self._subscriptions(name, correlation_key)),
            lambda: f"expected message '{name}'{_for(correlation_key)} to have been received, but it has not; {self._awaited()}",
        )

    async def to_have_decided(
        self, decision_id: str, output: Any = ..., *, rules: tuple[int | str, ...] | list[int | str] | None = None,
        not_rules: tuple[int | str, ...] | list[int | str] = (),
    ) -> None:  # fmt: skip
        """A decision was evaluated: with this output, and exactly these rules matched (numbers from 1, or ids); none of ``not_rules`` did."""
        from camunda_workers.testing.expect import same

        def matches(one: DecisionFact) -> bool:
            matched = set[int | str](one.rules) | set(one.rule_ids)
            return (
                one.decision_id == decision_id
                and not one.failed
                and (output is ... or same(one.output, output))
                and (rules is None or (len(rules) == len(one.rules) and set(rules) <= matched))
                and not matched & set(not_rules)
            )

        def expected() -> str:
            mine = [one for one in self._decisions() if one.decision_id == decision_id]
            said = [f"{value_text(one.output)} by rules {list(one.rules)} ({', '.join(one.rule_ids)})" for one in mine]
            others = sorted({one.decision_id for one in self._decisions()})
            wanted = f"expected decision '{decision_id}'" + ("" if output is ... else f" to give {value_text(output)}")
            wanted += "" if rules is None else f" by rules {list(rules)}"
            return f"{wanted}, but " + (
                "; ".join(f"it gave {one}" for one in said) or f"it was not evaluated (evaluated: {', '.join(others) or 'none'})"
            )

        await self._until(lambda: any(matches(one) for one in self._decisions()), expected)

    async def to_have_user_task(
        self, element_id: str, *, state: str = "created", assignee: str | EllipsisType | None = ..., group: str | None = None
    ) -> None:
        """A user task is there at this element: with this assignee (``None`` for nobody), for this candidate group."""
        await self._check(element_id)

        def matches(one: TaskFact) -> bool:
            return (
                one.value["elementId"] == element_id
                and one.state == state
                and (assignee is ... or (one.value["assignee"] or None) == assignee)
                and (group is None or group in one.value["candidateGroupsList"])
            )

        def expected() -> str:
            rows = [f"{one.value['elementId']} ({_shown(one)})" for one in self._tasks()]
            who = ("" if assignee is ... else f" with assignee {assignee or 'nobody'}") + (f" for group {group}" if group else "")
            return f"expected a user task at '{element_id}' to be {state}{who}, but there is: {'; '.join(rows) or 'none'}"

        await self._until(lambda: any(matches(one) for one in self._tasks()), expected)

    async def to_have_called(self, process_id: str) -> None:
        """It called this process."""
        called = lambda: [self._kit.journal.instances[key].process_id for key in self._family() if key != self._instance.key]  # noqa: E731
        await self._until(
            lambda: process_id in called(), lambda: f"expected to have called '{process_id}', but it called {listed(called()) or 'none'}"
        )

    def _incidents(self) -> list[IncidentFact]:
        return list(self._kit.journal.of_instance(self._instance.key))

    def _jobs(self) -> list[JobFact]:
        family = self._family()
        return [one for one in self._kit.journal.jobs.values() if one.instance in family]

    def _tasks(self) -> list[TaskFact]:
        family = self._family()
        return [one for one in self._kit.journal.tasks.values() if one.instance in family]

    def _decisions(self) -> list[DecisionFact]:
        family = self._family()
        return [one for one in self._kit.journal.decisions if one.instance in family]

    def _subscriptions(self, name: str, correlation_key: str | None) -> list[SubscriptionFact]:
        family = self._family()
        every = self._kit.journal.subscriptions.values()
        return [one for one in every if one.instance in family and one.name == name and correlation_key in (None, one.correlation_key)]

    def _awaited(self) -> str:
        family = self._family()
        waiting = [one for one in self._kit.journal.subscriptions.values() if one.instance in family and one.state == "waiting"]
        rows = [f"'{one.name}' for '{one.correlation_key}'" for one in waiting]
        return f"it awaits {', '.join(rows)}" if rows else "it awaits no message"


def _shown(task: TaskFact) -> str:
    return f"{task.state}, assignee {task.value['assignee'] or 'nobody'}, groups {task.value['candidateGroupsList']}"


def _where(element_id: str | None) -> str:
    return f" at '{element_id}'" if element_id is not None else ""


def _of(error_type: str | None) -> str:
    return f" of type {error_type}" if error_type is not None else ""


def _with(message: str | None) -> str:
    return f" with '{message}'" if message is not None else ""


def _for(correlation_key: str | None) -> str:
    return f" for '{correlation_key}'" if correlation_key is not None else ""
