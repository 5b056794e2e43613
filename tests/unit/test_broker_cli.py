"""Options of ``camunda-workers engine start`` that do not go together."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from camunda_workers.cli.engine import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "broker", "--state", "memory"], "--state"),
        (["--controlled-clock"], "--engine broker"),
        (["--data", "x", "--state", "memory"], "leave one of the two out"),
        (["--engine", "cluster"], "cluster"),
        (["--grpc-port", "70000"], "--grpc-port"),
    ],
)
def test_what_does_not_go_together(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["start", *options], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert result.exit_code == 2
    assert said in result.output
