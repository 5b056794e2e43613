"""What the inbox for real people does not start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_workers.errors import ConfigurationError
from camunda_workers.events import EventLog
from camunda_workers.inbox.production import open_parts
from camunda_workers.project import load_project
from camunda_workers.settings import Settings

OIDC = '[inbox.oidc]\nissuer = "https://login.office.example"\nclient_id = "inbox"\n'


@pytest.mark.parametrize(
    ("text", "address", "problem"),
    [
        ("", "https://tasks.office.example", "inbox.oidc"),
        (OIDC, "http://tasks.office.example", "https"),
        (OIDC, "tasks.office.example", "https"),
    ],
)
async def test_nobody_could_sign_in_safely(tmp_path: Path, text: str, address: str, problem: str) -> None:
    file = tmp_path / "camunda-workers.toml"
    file.write_text(text, encoding="utf-8")
    async with EventLog.open(":memory:") as log:
        with pytest.raises(ConfigurationError, match=problem):
            async with open_parts(load_project(file), Settings(inbox_url=address), log):
                pass


@pytest.mark.parametrize("wrong", ['issuer = "http://login.office.example"', 'scopes = ["profile"]', 'client_id = ""'])
def test_a_provider_that_cannot_be_trusted_is_refused_with_its_key(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "camunda-workers.toml"
    name = wrong.split(" ", maxsplit=1)[0]
    lines = [line for line in OIDC.splitlines() if not line.startswith(name)]
    file.write_text("\n".join([*lines, wrong]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\[inbox\] oidc"):
        load_project(file)
