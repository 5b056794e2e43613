"""``camunda-workers case show``, as a person and as a script use it."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from camunda_workers.cli.case import app
from camunda_workers.cli.case_view import render
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.events import DEFAULT_FILE, CaseStory, EventLog, case_story
from tests.support.recorded import INCIDENT, PAID, WAITING, changed, recorded

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")

    async def fill() -> None:
        async with EventLog.open(path / DEFAULT_FILE) as log:
            await log.append(recorded())

    asyncio.run(fill())
    return path


async def story_of(business_id: str, lines: tuple[bytes, ...] = recorded()) -> CaseStory:
    async with EventLog.open() as log:
        await log.append(lines)
        return await case_story(log, business_id, now=NOW)


def drawn(story: CaseStory, width: int, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    render(story, Console(file=file, width=width, color_system=None), UTC)
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [200, 120, 90, 89, 60, 40, 24])
async def test_every_width_shows_every_step_and_nothing_is_cut_off(width: int) -> None:
    shown = drawn(await story_of(PAID), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "".join(shown.split()).count("completed") >= 7
    for word in ("alice", "four", "Mon", "documents-received", "Duration"):
        assert word in shown


async def test_a_wide_terminal_has_a_line_for_each_step() -> None:
    lines = drawn(await story_of(PAID), 140).splitlines()
    assert "10:38:24          +0 s  engine                      Claim reported            · case opened" in [
        line.rstrip() for line in lines
    ]
    (denied,) = (line for line in lines if "denied" in line)
    assert denied.split() == ["12:08:27", "+2", "d", "2", "h", "person", "alice", "Assess", "claim", "✗", "completion", "denied"]
    assert [line.split("─")[0].strip() for line in lines if " 2026 ─" in line] == [
        "Mon 23 Nov 2026",
        "Wed 25 Nov 2026",
        "Thu 26 Nov 2026",
        "Fri 27 Nov 2026",
    ]
    assert lines[-1].strip() == "Nothing left to do."


async def test_what_it_waits_for_comes_last_with_what_is_overdue() -> None:
    shown = drawn(await story_of(WAITING), 140)
    assert "Assess claim: dora to complete it, for 2 d 18 h now, overdue by 17 h 45 min (Mon 30 Nov 2026 18:14:37 UTC)" in " ".join(
        shown.split()
    )
    assert "May also happen" in shown
    assert "active" in shown
    assert "active, 1 incident" in drawn(await story_of(INCIDENT), 100)


async def test_a_terminal_without_unicode_gets_plain_marks() -> None:
    shown = drawn(await story_of(PAID), 120, "ascii")
    assert "x completion denied" in shown
    assert "+ completed" in shown
    assert shown.isascii()


async def test_text_from_outside_cannot_command_the_terminal() -> None:
    def hostile(line: bytes) -> bytes:
        raw = json.loads(line)
        for field in ("assignee", "worker", "deniedReason"):
            if raw["value"].get(field):
                raw["value"][field] = "\x1b[2Jevil\x07[bold]"
        return changed(line, value=raw["value"])

    shown = drawn(await story_of(PAID, tuple(map(hostile, recorded()))), 120)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]" in shown


def test_json_is_the_whole_story(folder: Path) -> None:
    result = CliRunner().invoke(app, ["show", PAID, "--json", "--data-dir", str(folder)])
    story = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (story["businessId"], story["state"], len(story["steps"]), story["waitsFor"]) == (PAID, "completed", 32, [])
    assert story["steps"][0]["time"] == "2026-11-23T10:38:24.710Z"


def test_the_data_directory_comes_from_the_environment_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMUNDA_WORKERS_DATA_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "120")
    result = CliRunner().invoke(app, ["show", WAITING])
    assert result.exit_code == 0
    assert f"Case {WAITING}" in result.stdout


def error_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, CamundaWorkersError)
    return str(result.exception)


def test_errors_say_what_to_do(folder: Path, tmp_path: Path) -> None:
    assert "did you mean 'CLM-000123'" in error_of("show", "CLM-00123", "--data-dir", str(folder))
    missing = error_of("show", PAID, "--data-dir", str(tmp_path))
    assert missing.startswith(f"there is no event log at {tmp_path / DEFAULT_FILE}: run 'camunda-workers demo'")
    assert not list(tmp_path.iterdir())
    asyncio.run(EventLog.open(tmp_path / DEFAULT_FILE).close())
    assert "is empty: run 'camunda-workers demo'" in error_of("show", PAID, "--data-dir", str(tmp_path))


def test_the_demos_own_log_is_looked_at_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    shutil.copy(folder / DEFAULT_FILE, tmp_path / "demo" / DEFAULT_FILE)
    result = CliRunner().invoke(app, ["show", PAID, "--json", "--data-dir", str(tmp_path)])
    assert json.loads(result.stdout)["businessId"] == PAID
    asyncio.run(EventLog.open(tmp_path / DEFAULT_FILE).close())
    result = CliRunner().invoke(app, ["show", PAID, "--json", "--data-dir", str(tmp_path)])
    assert json.loads(result.stdout)["businessId"] == PAID
    assert "did you mean 'CLM-000123'" in error_of("show", "CLM-00123", "--data-dir", str(tmp_path))
