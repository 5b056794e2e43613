"""Who does the work in a test: mocks and real workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

from camunda_workers.client import Deployment
from camunda_workers.errors import BpmnError, JobFailed
from camunda_workers.testing import stand_ins
from camunda_workers.testing.crew import Later, routers_of
from camunda_workers.testing.kit_core import Core
from camunda_workers.testing.mocks import Answers, MockJob, answers_of
from camunda_workers.worker.decorate import Worker, worker
from camunda_workers.worker.router import Router

if TYPE_CHECKING:
    from camunda_workers.worker.runner import WorkerRunner


class Work(Core):
    """Mocks and workers of a test."""

    def mock_job(
        self, job_type: str, *, returns: Answers = None, throws: str | BpmnError | type[BpmnError] | None = None,
        fails: str | JobFailed | None = None, denies: str | None = None, retries: int | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> MockJob:  # fmt: skip
        """Do the jobs of a type without the real worker (listeners' jobs as well).

        Args:
            job_type: the type in the diagram.
            returns: variables; a function of the job (it may be async, and raise); or several answers one after the other.
            throws: a BPMN error's code, or the error.
            fails: why each try fails; ``retries`` says how many are left (one less each time by default), 0 is an incident at once.
            denies: the reason with which a task listener refuses.
            retries: see ``fails``.
            variables: go with ``throws`` and ``fails``.

        Returns:
            The mock; its ``calls`` are what it was asked. Calling ``mock_job`` again for the type changes its answers.
        """
        self._check()
        return self._crew.mock(MockJob(job_type, answers_of(job_type, returns, throws, fails, denies, retries, variables)), self.client)

    @overload
    def worker(self, *workers: Worker[..., Any] | Router, resources: Mapping[Any, object] | None = None) -> Later[WorkerRunner]: ...
    @overload
    def worker(self, *workers: str, resources: Mapping[Any, object] | None = None) -> Callable[[Callable[..., Any]], Worker[..., Any]]: ...
    def worker(self, *workers: Any, resources: Mapping[Any, object] | None = None) -> Any:
        """Run real workers beside the mocks: ``camunda.worker(check_policy)``, ``camunda.worker(router)``, ``@camunda.worker("price")``.

        Args:
            workers: what ``@worker`` made, routers, or one job type for use as a decorator.
            resources: open resources by type, instead of those that the routers provide.
        """
        self._check()
        if len(workers) == 1 and isinstance(workers[0], str):

            def decorate(function: Callable[..., Any]) -> Worker[..., Any]:
                made = worker(str(workers[0]))(function)
                self._soon(lambda: self._crew.start([Router(made)], self.client, resources or {}))
                return made

            return decorate
        routers = routers_of(workers)
        return self._soon(lambda: self._crew.start(routers, self.client, resources or {}))

    def mock_decision(self, decision_id: str, *, returns: Any) -> Later[Deployment]:
        """Let a decision answer this, whatever its inputs; deployed as its newest version before the next step."""
        return self._soon(lambda: self.client.deploy(stand_ins.decision(decision_id, returns)))

    def mock_child_process(
        self, process_id: str, *, returns: Mapping[str, Any] | None = None, throws: str | None = None, version_tag: str = ""
    ) -> Later[Deployment]:
        """Let a called process end at once with these variables (or a BPMN error); deployed as its newest version before the next step.

        Args:
            process_id: the called process.
            returns: variables that it ends with.
            throws: the code of a BPMN error that it ends with.
            version_tag: for call activities that bind to a version tag.
        """
        return self._soon(lambda: self.client.deploy(stand_ins.process(process_id, returns or {}, throws, version_tag)))
