"""Runs a suite against mutants of the diagrams it uses, each time only the tests that executed what was changed."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from camunda_workers.client import Resource
from camunda_workers.errors import BadResource, MissingExtra
from camunda_workers.testing.cases.model import TestCase
from camunda_workers.testing.cases.read import read
from camunda_workers.testing.cases.resources import resources_for
from camunda_workers.testing.cases.run import run_alone
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.kit import CamundaTest
from camunda_workers.testing.mutate import Mutant, mutants
from camunda_workers.testing.mutate_decisions import watch_decision, watch_rule

IN_PROCESS = ("-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:faulthandler")
"""For pytest in a process that already runs. The package is imported, so its asserts are not rewritten, which nobody needs. And the virtual
machine is running: it answers memory faults of its own (that is how it checks for null), which pytest's fault handler would take for a crash.
"""


class Fate(StrEnum):
    """What became of a mutant."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    UNTESTED = "untested"
    """No test executes what was changed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A mutant and its fate; ``by`` is the test that noticed it."""

    resource: str
    mutant: Mutant
    fate: Fate
    by: str = ""


@dataclass(slots=True)
class Trace:
    """What one test executed: the contents it deployed by resource name, ids of elements and flows, decisions and rules."""

    test: str
    deployed: dict[str, bytes]
    executed: frozenset[str]


class Suite:
    """Tests that can be run with some resources replaced.

    Args:
        files: JSON test cases.
        python: Python tests.
        deploy: what JSON test cases run on, if not found around them.
        timeout: seconds after which an expectation gives up.
    """

    def __init__(self, files: Sequence[Path], python: Sequence[Path], deploy: Sequence[Path], *, timeout: float) -> None:
        loaded = [(file, cases) for file in files for cases in [read(file)]]
        self._cases = {
            f"{file}::{case.name}": (file, case, resources_for(file, cases, deploy))
            for file, cases in loaded
            for case in cases.test_cases
            if not case.refusal
        }
        self._python = tuple(python)
        self._timeout = timeout

    def traces(self) -> tuple[list[Trace], list[str]]:
        """Run everything once; the traces of what passed, and the names of what failed."""
        found: list[Trace] = []
        failed: list[str] = []
        for name, (file, case, resources) in self._cases.items():
            if asyncio.run(self._one(file, case, resources, {}, lambda journal, name=name: found.append(trace(name, journal)))):
                failed.append(name)
        if self._python:
            plugin = _Plugin({}, self._timeout)
            _pytest([*map(str, self._python)], plugin)
            found += plugin.traces
            failed += plugin.failed
        return [one for one in found if one.test not in failed], failed

    def first_failure(self, tests: Iterable[str], replace: Mapping[bytes, bytes]) -> str:
        """Run these tests with contents replaced until one fails; its name, or nothing."""
        python: list[str] = []
        for name in tests:
            if name not in self._cases:
                python.append(name)
                continue
            file, case, resources = self._cases[name]
            if asyncio.run(self._one(file, case, resources, replace, None)):
                return name
        if python:
            plugin = _Plugin(replace, self._timeout)
            _pytest(["-x", *python], plugin)
            return plugin.failed[0] if plugin.failed else ""
        return ""

    async def _one(
        self,
        file: Path,
        case: TestCase,
        resources: Sequence[Path],
        replace: Mapping[bytes, bytes],
        on_close: Callable[[Journal], None] | None,
    ) -> bool:
        return bool(
            (await run_alone(file, case, resources, CamundaTest(timeout=self._timeout, replace=replace, on_close=on_close))).failure
        )


def trace(test: str, journal: Journal) -> Trace:
    """What a test executed, from its journal."""
    executed = {e.element_id for one in journal.instances.values() for e in one.elements.values()}
    executed.update(flow for one in journal.instances.values() for flow in one.flows)
    for one in journal.decisions:
        executed.add(watch_decision(one.decision_id))
        executed.update(watch_rule(one.decision_id, index) for index in one.rules)
    files = (*journal.processes.values(), *journal.requirements.values())
    deployed = {one.resource: one.content for one in files if not one.resource.startswith("mock-")}
    return Trace(test, deployed, frozenset(executed))


def hunt(suite: Suite, traces: Sequence[Trace], progress: Callable[[int, int, Verdict], None] | None = None) -> list[Verdict]:
    """Let the suite look for every mutant of every diagram it deploys.

    Args:
        suite: the tests.
        traces: what they executed.
        progress: told after each mutant: how many are done, of how many, and its fate.
    """
    contents = {content: name for one in traces for name, content in one.deployed.items()}
    planned = [(name, content, mutant) for content, name in contents.items() for mutant in mutants(content)]
    planned = [(name, content, mutant) for name, content, mutant in planned if asyncio.run(_is_deployable(name, mutant.content))]
    verdicts: list[Verdict] = []
    for number, (name, content, mutant) in enumerate(planned, start=1):
        able = [one for one in traces if content in one.deployed.values() and one.executed & mutant.watched]
        # The tests with the shortest paths are the quickest and the most particular.
        names = [one.test for one in sorted(able, key=lambda one: len(one.executed))]
        by = suite.first_failure(names, {content: mutant.content}) if names else ""
        verdicts.append(Verdict(name, mutant, Fate.NOTICED if by else Fate.SURVIVED if names else Fate.UNTESTED, by))
        if progress is not None:
            progress(number, len(planned), verdicts[-1])
    return verdicts


async def _is_deployable(name: str, content: bytes) -> bool:
    """A change that the engine refuses is no mutant: nobody could deploy the mistake."""
    async with CamundaTest() as kit:
        try:
            await kit.deploy(Resource(name, content))
        except BadResource:
            return False
    return True


class _Plugin:
    """Hands replaced contents to the fixture, and takes traces and failures."""

    def __init__(self, replace: Mapping[bytes, bytes], timeout: float) -> None:
        self.replace = replace
        self.timeout = timeout
        self.traces: list[Trace] = []
        self.failed: list[str] = []

    def pytest_configure(self, config: Any) -> None:
        from camunda_workers.testing.session import MUTANT

        config.stash[MUTANT] = self

    def note(self, test: str, journal: Journal) -> None:
        """Take what a test executed."""
        self.traces.append(trace(test, journal))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid or "collection")


def _pytest(arguments: list[str], plugin: _Plugin) -> None:
    try:
        import pytest
    except ModuleNotFoundError:
        raise MissingExtra("testing", "Running Python tests") from None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", *IN_PROCESS, f"--camunda-timeout={plugin.timeout}", *arguments], plugins=[plugin])
