"""Recordings: saved, opened again, told as a timeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.events.recording import recorded_stories
from camunda_workers.testing import CamundaTest, expect
from camunda_workers.testing.recording import replay
from tests.testing.processes import ORDER


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
async def test_a_run_is_saved_and_opened_again(tmp_path: Path, name: str) -> None:
    async with CamundaTest() as camunda:
        camunda.record(tmp_path / name)
        await camunda.deploy(ORDER)
        camunda.mock_job("price", returns={"amount": 120})
        order = await camunda.start("order", business_id="O-1")
        await expect(order).to_be_waiting_at("approve")
    journal = await replay(tmp_path / name)
    assert journal.instances[order.key].path() == ["started", "price"]
    assert journal.variables[order.key] == {"amount": 120}
    (story,) = [one async for one in recorded_stories(tmp_path / name)]
    assert story.business_id == "O-1"
    assert [wait.element_id for wait in story.waits] == ["approve"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no records"), (b"{}", "not a recording"), (b"\x1f\x8bxx", "cannot be read"), (b"\xff\xfe", "cannot be read")],
)
async def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(ReadModelError, match=words):
        await replay(tmp_path / "x.jsonl")
    with pytest.raises(ReadModelError, match="cannot be read"):
        await replay(tmp_path / "nowhere.jsonl")
