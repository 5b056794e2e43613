"""The pytest plugin: the fixture ``camunda``, options, coverage at the end of the run, JSON test cases as tests.

Everything it remembers is in the session's own config, so runs side by side (xdist, nested runs) do not mix.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from camunda_workers.testing.coverage.collect import Coverage
    from camunda_workers.testing.kit import CamundaTest

COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()
_OUTPUT = "camunda_workers_coverage"

_asyncio_fixture: Callable[..., Any] = pytest.fixture
if importlib.util.find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    _asyncio_fixture = pytest_asyncio.fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("camunda", "tests of Camunda processes")
    group.addoption(
        "--camunda-engine",
        default="embedded",
        metavar="ENGINE",
        help="embedded (default); broker: a real one, started once for the run; http://…: a cluster, by the address of its REST API",
    )
    group.addoption(
        "--camunda-timeout", type=float, default=10.0, metavar="SECONDS", help="when an expectation or a command gives up (default 10)"
    )
    group.addoption(
        "--camunda-coverage", nargs="?", const="", default=None, metavar="FOLDER",
        help="print which elements, flows and rules the tests executed; with a folder, write coverage.json and index.html there",
    )  # fmt: skip
    group.addoption(
        "--camunda-coverage-min", type=float, default=None, metavar="PERCENT", help="fail the run below this coverage of elements and flows"
    )
    group.addoption("--camunda-record", default=None, metavar="FOLDER", help="save the records of failed tests there, one file each")
    group.addoption(
        "--camunda-deploy",
        action="append",
        default=[],
        metavar="PATH",
        help="what JSON test cases run on, instead of diagrams found near them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect coverage, if it is wanted."""
    if config.getoption("--camunda-coverage") is not None or config.getoption("--camunda-coverage-min") is not None:
        from camunda_workers.testing.coverage.collect import Coverage

        config.stash[COVERAGE] = Coverage()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test failed, for its fixture's end."""
    report = yield
    if call.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED: pytest.StashKey[bool] = pytest.StashKey()


def _kit(request: pytest.FixtureRequest) -> contextlib.AbstractAsyncContextManager[CamundaTest]:
    from camunda_workers.testing.session import open_kit

    node: pytest.Item = request.node
    return open_kit(
        request.config, name=node.nodeid, coverage=request.config.stash.get(COVERAGE, None), failed=lambda: node.stash.get(_FAILED, False)
    )


@_asyncio_fixture
async def _camunda_on_asyncio(request: pytest.FixtureRequest) -> AsyncIterator[CamundaTest]:  # pyright: ignore[reportUnusedFunction]
    async with _kit(request) as kit:
        yield kit


@pytest.fixture
async def _camunda_on_anyio(request: pytest.FixtureRequest, anyio_backend_name: str) -> AsyncIterator[CamundaTest]:  # pyright: ignore[reportUnusedFunction]
    if anyio_backend_name != "asyncio":
        pytest.fail(f"the engine runs on asyncio: the fixture 'camunda' cannot serve the anyio backend {anyio_backend_name}", pytrace=False)
    async with _kit(request) as kit:
        yield kit


@pytest.fixture
def camunda(request: pytest.FixtureRequest) -> Any:
    """A fresh engine for this test (`camunda_workers.testing.CamundaTest`)."""
    if "anyio_backend" in request.fixturenames:
        return request.getfixturevalue("_camunda_on_anyio")
    if importlib.util.find_spec("pytest_asyncio") is None:
        pytest.fail("the fixture 'camunda' needs pytest-asyncio, or anyio's plugin with @pytest.mark.anyio on the test", pytrace=False)
    return request.getfixturevalue("_camunda_on_asyncio")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take ``*.test.json`` for JSON test cases, and any other ``.json`` file that is named on the command line and is one."""
    if file_path.suffix != ".json":
        return None
    from camunda_workers.testing.cases.collect import CaseFile, is_case_file

    named = any(Path(str(argument).split("::")[0]).resolve() == file_path for argument in parent.config.args)
    return CaseFile.from_parent(parent, path=file_path) if is_case_file(file_path, named=named) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker process covered to the one that reports; fail the run below the threshold."""
    coverage = session.config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = coverage.to_json()
        return
    least = session.config.getoption("--camunda-coverage-min")
    if least is not None and coverage.diagrams and coverage.percent() < least and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker process of xdist covered."""
    if (found := getattr(node, "workeroutput", {}).get(_OUTPUT)) is not None and (
        coverage := node.config.stash.get(COVERAGE, None)
    ) is not None:
        coverage.merge_json(found)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the coverage and write its files."""
    coverage = config.stash.get(COVERAGE, None)
    if coverage is None or hasattr(config, "workeroutput"):
        return
    from camunda_workers.testing.coverage.report import table, write

    terminalreporter.section("process coverage")
    for line in table(coverage):
        terminalreporter.line(line)
    if folder := config.getoption("--camunda-coverage"):
        page = write(coverage, Path(folder))
        terminalreporter.line(f"written: {page}")
    least = config.getoption("--camunda-coverage-min")
    if least is not None and coverage.percent() < least:
        terminalreporter.line(f"process coverage is {int(coverage.percent())} %, below the required {least:g} %", red=True)
