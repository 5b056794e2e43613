"""``camunda-workers test``: runs test cases, says what they cover, and how many mutants of the diagrams they notice."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from camunda_workers.testing.cases.run import Result
    from camunda_workers.testing.coverage.collect import Coverage

app = typer.Typer(add_completion=False)


@app.command()
def run_tests(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders: JSON test cases (*.test.json, scenarios/*.json) and test_*.py.")
    ] = None,
    deploy: Annotated[list[Path] | None, typer.Option(help="Diagrams to run on, instead of those found around the test cases.")] = None,
    only: Annotated[str, typer.Option("-k", help="Only test cases with this in their name.", metavar="WORDS")] = "",
    coverage: Annotated[Path | None, typer.Option(help="Write coverage.json and index.html into this folder.", metavar="FOLDER")] = None,
    coverage_min: Annotated[float | None, typer.Option(min=0, max=100, help="Fail below this percentage of elements and flows.")] = None,
    record: Annotated[Path | None, typer.Option(help="Save the records of failed test cases into this folder.", metavar="FOLDER")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which an assertion gives up.")] = 10.0,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Change the diagrams one place at a time and report what the tests do not notice.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run tests of processes on fresh engines: Camunda's JSON test cases here, Python tests through pytest."""
    from camunda_workers.logs import configure_logging
    from camunda_workers.testing.cases.read import find

    configure_logging("critical")
    named = paths or [Path()]
    files = find(named)
    python = _python_tests(named)
    if not files and not python:
        raise ConfigurationError(
            f"no tests in {', '.join(map(str, named))}: JSON test cases are named *.test.json or lie in a folder 'scenarios'"
        )
    if mutate:
        from camunda_workers.testing.mutant_report import report_mutants

        raise typer.Exit(report_mutants(files, python, deploy or [], timeout=timeout, as_json=as_json))
    if python and as_json:
        raise ConfigurationError("--json prints JSON test cases only: run Python tests with pytest itself (--junit-xml)")
    from camunda_workers.testing.coverage.collect import Coverage

    covered, failed = Coverage(), False
    if files:
        # What Python tests cover as well is told with theirs, at the end.
        told = (None, None) if python else (coverage, coverage_min)
        failed = _run_cases(files, deploy or [], only, covered, *told, record, timeout, as_json, is_all=not python)
    if python:
        failed = _run_python(python, covered, coverage, coverage_min, only, has_cases=bool(files)) or failed
    raise typer.Exit(1 if failed else 0)


def _python_tests(paths: list[Path]) -> list[Path]:
    found = [one for path in paths if path.is_dir() for pattern in ("test_*.py", "*_test.py") for one in path.rglob(pattern)]
    hidden = {"node_modules", "__pycache__"}
    below = [one for one in found if not any(part.startswith(".") or part in hidden for part in one.parts)]
    return [*(path for path in paths if path.suffix == ".py"), *sorted(below)]


def _run_cases(
    files: list[Path], deploy: list[Path], only: str, covered: Coverage, folder: Path | None, least: float | None, record: Path | None,
    timeout: float, as_json: bool, *, is_all: bool,
) -> bool:  # fmt: skip
    from rich.console import Console

    from camunda_workers.testing.coverage.report import as_json as facts_of
    from camunda_workers.testing.coverage.report import table, write

    console = Console(quiet=as_json, highlight=False)
    results = asyncio.run(_results(files, deploy, only, covered, record, timeout, console))
    below = least is not None and covered.percent() < least
    failed = [one for one in results if one.failure]
    if folder is not None:
        write(covered, folder)
    if as_json:
        shown = [
            {"file": str(r.file), "name": r.name, "passed": not r.failure, "failure": r.failure, "seconds": round(r.seconds, 3)}
            for r in results
        ]
        print(
            json.dumps(
                {"testCases": shown, "passed": len(results) - len(failed), "failed": len(failed), "coverage": facts_of(covered)},
                ensure_ascii=False,
            )
        )
        return bool(failed) or below or not results
    for line in table(covered) if is_all else ():
        console.print(line, markup=False, soft_wrap=True)
    if folder is not None:
        console.print(f"written: {folder / 'index.html'}", markup=False)
    if below:
        console.print(f"[red]coverage is {int(covered.percent())} %, below the required {least:g} %[/red]")
    nothing = not results and is_all
    if nothing:
        console.print("[red]no test case was run[/red]")
    console.print(f"[bold]{len(results) - len(failed)} passed, {len(failed)} failed[/bold] in {sum(r.seconds for r in results):.1f} s")
    return bool(failed) or below or nothing


async def _results(
    files: list[Path], deploy: list[Path], only: str, covered: Coverage, record: Path | None, timeout: float, console: Any
) -> list[Result]:
    from camunda_workers.events.recording import save_recording
    from camunda_workers.testing.cases.read import read
    from camunda_workers.testing.cases.resources import resources_for
    from camunda_workers.testing.cases.run import run_alone
    from camunda_workers.testing.kit import CamundaTest
    from camunda_workers.testing.session import slug

    loaded = [(file, cases, resources_for(file, cases, deploy)) for file in files for cases in [read(file)]]
    results: list[Result] = []
    for file, cases, resources in loaded:
        console.print(f"[bold]{file}[/bold]")
        for case in cases.test_cases:
            if only.casefold() not in case.name.casefold():
                continue
            kit = CamundaTest(timeout=timeout, on_close=covered.note)
            result = await run_alone(file, case, resources, kit)
            results.append(result)
            console.print(f"  [green]passed[/green]  {case.name}" if not result.failure else f"  [red]FAILED[/red]  {case.name}", end="")
            console.print(f"  [dim]{result.seconds:.2f} s[/dim]")
            if result.failure:
                console.print("\n".join(f"      {line}" for line in result.failure.splitlines()), markup=False, soft_wrap=True)
                if record is not None and not case.refusal:
                    saved = save_recording(
                        kit.journal.lines, record / f"{slug(f'{file.stem}-{case.name}')}.records.jsonl.gz", name=case.name
                    )
                    console.print(f"      recorded: camunda-workers case show --from {saved}", markup=False, soft_wrap=True)
    return results


def _run_python(paths: list[Path], covered: Coverage, folder: Path | None, least: float | None, only: str, *, has_cases: bool) -> bool:
    try:
        import pytest
    except ModuleNotFoundError:
        raise MissingExtra("testing", "Running Python tests") from None
    from camunda_workers.testing.mutants import IN_PROCESS
    from camunda_workers.testing.plugin import COVERAGE

    class Seed:
        """Begins the run's coverage with what the JSON test cases covered."""

        @pytest.hookimpl(trylast=True)
        def pytest_configure(self, config: pytest.Config) -> None:
            config.stash[COVERAGE].merge_json(covered.to_json())

    arguments = [*map(str, paths), "--camunda-coverage" if folder is None else f"--camunda-coverage={folder}"]
    arguments += [f"--camunda-coverage-min={least}"] if least is not None else []
    arguments += ["-k", only] if only else []
    sys.stdout.flush()
    code = pytest.main([*IN_PROCESS, *arguments], plugins=[Seed()])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        return not has_cases
    return code != pytest.ExitCode.OK
