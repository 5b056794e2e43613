"""JSON test cases as pytest's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from camunda_workers.errors import CamundaWorkersError, NotSupported
from camunda_workers.testing.cases.model import TestCase
from camunda_workers.testing.cases.read import is_case_file, read
from camunda_workers.testing.cases.resources import resources_for
from camunda_workers.testing.cases.run import run_case
from camunda_workers.testing.failures import ExpectationFailed

__all__ = ["CaseFile", "CaseItem", "is_case_file"]


class CaseFile(pytest.File):
    """A file of test cases."""

    def collect(self) -> Iterable[pytest.Item]:
        """Its test cases; a file that cannot be run is a collection error that says why."""
        try:
            cases = read(self.path)
            deploy = [Path(path) for path in cast("list[str]", self.config.getoption("--camunda-deploy"))]
            resources = resources_for(self.path, cases, deploy)
        except CamundaWorkersError as error:
            raise self.CollectError(str(error)) from error
        for case in cases.test_cases:
            yield CaseItem.from_parent(self, name=case.name, case=case, resources=resources)  # pyright: ignore[reportUnknownMemberType]


class CaseItem(pytest.Item):
    """One test case."""

    def __init__(self, *, case: TestCase, resources: list[Path], **more: Any) -> None:
        super().__init__(**more)  # pyright: ignore[reportUnknownMemberType]
        self._case = case
        self._resources = resources

    def runtest(self) -> None:
        """Run it on a fresh engine."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        from camunda_workers.testing.plugin import COVERAGE
        from camunda_workers.testing.session import open_kit

        if self._case.refusal:
            raise NotSupported(self._case.refusal)
        failed = True
        async with open_kit(self.config, name=self.nodeid, coverage=self.config.stash.get(COVERAGE, None), failed=lambda: failed) as kit:
            await run_case(kit, self._case, self._resources)
            failed = False

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Only the words: a test case has no lines of Python."""
        if isinstance(excinfo.value, ExpectationFailed | CamundaWorkersError):
            return f"{self._case.name}: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, for reports."""
        return self.path, None, f"{self.path.name}: {self._case.name}"
