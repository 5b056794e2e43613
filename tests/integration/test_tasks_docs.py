"""docs/human-tasks.md: its examples run, and its tables are complete."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.project import ProjectFile
from camunda_workers.tasks import Caller
from camunda_workers.tasks.forms.schema import COMPONENTS
from camunda_workers.worker import Router
from tests.support.tasks_ground import DUTIES, ROOT, office

PAGE = (ROOT / "docs" / "human-tasks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.engine
async def test_the_service_example_runs(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    async with office(tmp_path) as ground:
        first, second = [await ground.task(await ground.reported(), "assess-claim") for _ in range(2)]
        await ground.tasks.claim(Caller("ben", frozenset({"claims-assessors"})), second.key)
        work = names["work_on"]
        assert await work(ground.client, ground.log, DUTIES, tmp_path, first.key) == "completed"
        assert await work(ground.client, ground.log, DUTIES, tmp_path, second.key) == "too late: ben has it"


def test_the_rules_and_the_listener_example_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists, rules, mail = blocks("toml")
    assert ProjectFile.model_validate(tomllib.loads(lists)).tasks.expected == {"assess-claim": timedelta(minutes=45)}
    section = ProjectFile.model_validate(tomllib.loads(rules)).duties
    assert len([*section.separate, *section.approvals, *section.limits, *section.conflicts]) == 4
    assert ProjectFile.model_validate(tomllib.loads(mail)).notifications.takes_replies
    (tmp_path / "camunda-workers.toml").write_text(rules)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    router = names["router"]
    assert isinstance(router, Router)
    assert [one.definition.job_type for one in router] == ["four-eyes"]


def test_the_page_names_every_component() -> None:
    table = PAGE.split("| component of form-js 1.x |")[1].split("\n\n")[0]
    assert all(re.search(rf"\b{name}\b", table) for name in COMPONENTS)
