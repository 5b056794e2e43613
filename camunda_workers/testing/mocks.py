"""Stand-ins for workers: what they answer, and what they were asked."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias, cast

from camunda_workers.client import Client
from camunda_workers.errors import BpmnError, ConfigurationError, JobFailed
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import ALL, Definition, define
from camunda_workers.worker.executor import Report, describe
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.outcome import NOTHING, Bpmn, Completed, Corrected, Denied, Deny, Failed, Outcome
from camunda_workers.worker.poller import Poller, Polling
from camunda_workers.worker.pulse import Pulse
from camunda_workers.worker.reporter import Reporter
from camunda_workers.worker.result import InvalidResult, plain
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats

Answer: TypeAlias = Mapping[str, Any] | Outcome | Corrected | BaseException | None
"""What a mock answers one job with: variables, an outcome of the worker runtime, or an exception as a worker would raise it."""

Answers: TypeAlias = Answer | Callable[[JobContext], Answer | Awaitable[Answer]] | Sequence[Answer]
"""One answer for every job, a function of the job, or one answer after the other (the last one stays)."""

_LARGEST = 4 * 1024 * 1024
_MAX_RUNNING = 64


@dataclass(frozen=True, slots=True)
class Invocation:
    """One job that a mock was given, and what it answered."""

    job: JobContext
    outcome: Outcome

    @property
    def variables(self) -> dict[str, Any]:
        """All variables that were visible at the task."""
        return self.job.variables

    @property
    def headers(self) -> dict[str, str]:
        """The task's custom headers."""
        return self.job.headers

    @property
    def element_id(self) -> str:
        """The element in the diagram."""
        return self.job.element_id


@dataclass(slots=True)
class MockJob:
    """A mock worker for one job type.

    Attributes:
        calls: every job that it was given, in order; not known yet are those of a test that has not awaited anything since.
    """

    type: str
    answers: Answers
    calls: list[Invocation] = field(default_factory=list[Invocation])

    @property
    def count(self) -> int:
        """How many jobs it was given."""
        return len(self.calls)

    @property
    def last(self) -> Invocation:
        """The latest job; an AssertionError when there was none."""
        if not self.calls:
            raise AssertionError(f"the mock for job type '{self.type}' was given no job")
        return self.calls[-1]

    def returns(self, *answers: Answer | Mapping[str, Any]) -> None:
        """Answer from now on with this, or with these one after the other."""
        self.answers = answers[0] if len(answers) == 1 else list(answers)
        self._given = 0

    _given: int = 0

    async def answer(self, job: JobContext) -> Outcome:
        """Compute the outcome of one job."""
        outcome = await self._outcome(job)
        self.calls.append(Invocation(job, outcome))
        return outcome

    async def _outcome(self, job: JobContext) -> Outcome:
        answer: Any = self.answers
        try:
            if isinstance(answer, Sequence):
                some = cast("Sequence[Any]", answer)
                answer = some[min(self._given, len(some) - 1)] if some else None
                self._given += 1
            if callable(answer):
                answer = answer(job)
                if inspect.isawaitable(answer):
                    answer = await answer
            if isinstance(answer, BaseException):
                raise answer
        except Deny as error:
            return Denied(error.reason)
        except BpmnError as error:
            return Bpmn(error.code, error.message, error.variables)
        except JobFailed as error:
            retries = max(0, job.retries - 1) if error.retries is None else error.retries
            return Failed(error.message, retries, error.back_off or timedelta(0), error.variables)
        except Exception as error:
            return Failed(describe(error), max(0, job.retries - 1), cause=error)
        match answer:
            case Completed() | Failed() | Bpmn() | Denied():
                return answer
            case Corrected():
                return Completed(NOTHING, answer)
            case None:
                return Completed()
            case Mapping():
                return Completed(cast("Mapping[str, Any]", answer))
            case _:
                return Failed(f"the mock for '{self.type}' answered {answer!r}, which is neither variables nor an outcome")


def answers_of(
    job_type: str,
    returns: Answers,
    throws: str | BpmnError | type[BpmnError] | None,
    fails: str | JobFailed | None,
    denies: str | None,
    retries: int | None,
    variables: Mapping[str, Any] | None,
) -> Answers:
    """What ``mock_job`` was told to answer; at most one way of it.

    Raises:
        ConfigurationError: more than one of them is given.
    """
    given = [name for name, value in (("returns", returns), ("throws", throws), ("fails", fails), ("denies", denies)) if value is not None]
    if len(given) > 1:
        raise ConfigurationError(
            f"mock_job('{job_type}'): {' and '.join(given)} exclude each other; a function as returns= can do each in turn"
        )
    if throws is not None:
        if isinstance(throws, str):
            return Bpmn(throws, "", variables or NOTHING)
        return throws() if isinstance(throws, type) else throws
    if fails is not None:
        return JobFailed(fails, retries=retries, variables=variables) if isinstance(fails, str) else fails
    return Denied(denies) if denies is not None else returns


class _Executor:
    """Computes outcomes as the real one does, from a mock instead of a function."""

    def __init__(self, mock: MockJob) -> None:
        self._mock = mock

    async def run(self, context: JobContext) -> Report:
        outcome = await self._mock.answer(context)
        if isinstance(outcome, Denied):
            return Report(outcome, NOTHING)
        try:
            return Report(outcome, plain(outcome.variables, largest=_LARGEST))
        except InvalidResult as error:
            return Report(Failed(f"the mock for '{self._mock.type}': {error}"), NOTHING)


def poller_of(mock: MockJob, client: Client, name: str) -> tuple[Poller, Jobs]:
    """The worker runtime's own poller and jobs, around a mock."""
    definition, stats, slots = _definition(mock.type), WorkerStats(), Slots(_MAX_RUNNING)
    executor: Any = _Executor(mock)
    jobs = Jobs(definition, executor=executor, reporter=Reporter(client, stats), gateway=client, slots=slots, stats=stats)
    polling = Polling(request_timeout=timedelta(seconds=30))
    # A pulse that does not beat: a test's process is not frozen, and a debugger that stops it must not make its jobs late.
    poller = Poller(definition, gateway=client, jobs=jobs, slots=slots, stats=stats, name=name, polling=polling, pulse=Pulse())
    return poller, jobs


def _definition(job_type: str) -> Definition:
    async def mock(job: JobContext) -> None:
        del job

    return define(
        mock, job_type, errors=(), timeout=timedelta(minutes=5), retries=None, max_running=_MAX_RUNNING, fetch_variables=ALL,
        result_variable=None, local_names={"JobContext": JobContext},
    )  # fmt: skip
