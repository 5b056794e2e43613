"""``camunda-workers tasks`` and ``duties`` against a running engine, with its log and the task store on the disk between them."""

from __future__ import annotations

import asyncio
import getpass
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from camunda_workers.cli.main import main
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from camunda_workers.tasks import Caller
from camunda_workers.tasks.notifications.replies.offers import address_of
from camunda_workers.tasks.notifications.setup import reply_tokens
from camunda_workers.tasks.sensitive import VIEWED
from camunda_workers.tasks.store.tables import facts
from tests.integration.test_tasks_replies import FORM, LEAVE
from tests.support.tasks_ground import ASSESSORS, ROOT, office, person

pytestmark = pytest.mark.engine

PROJECT = """
[deploy]
paths = ["bpmn", "forms"]

[duties]
listeners = ["four-eyes"]

[[duties.separate]]
name = "assess and approve"
process = "claim"
task = "approve-payment"
not_by = ["assess-claim"]

[duties.people]
"amelia" = { groups = ["claims-assessors", "claims-approvers"] }
"dmitri" = { groups = ["claims-approvers"] }
"""


PROVEN_BY = "Authentication-Results: mx.office.example; dmarc=pass header.from=office.example\r\n"


class Shell:
    """Runs the command line in a project's folder: in a thread of this process, because a new one takes seconds to import everything."""

    def __init__(self, folder: Path, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("CAMUNDA_REST_ADDRESS", engine.rest_address)
        monkeypatch.setenv("ZEEBE_GRPC_ADDRESS", engine.grpc_address)
        monkeypatch.setenv("CAMUNDA_WORKERS_DATA_DIR", str(folder))
        monkeypatch.setenv("COLUMNS", "200")

    async def __call__(self, *words: str, fails: bool = False) -> tuple[str, str]:
        self._capsys.readouterr()

        def call() -> int | str | None:
            try:
                main(list(words))
            except SystemExit as ended:
                return ended.code
            return 0

        code = await asyncio.to_thread(call)
        written = self._capsys.readouterr()
        # The office's workers log in this process, too.
        out = "".join(line for line in written.out.splitlines(keepends=True) if not re.search(r"\[.{0,9}(debug|info|warning) ", line))
        assert (code != 0) is fails, (words, code, out, written.err)
        return out, written.err

    async def json(self, *words: str, fails: bool = False) -> Any:
        out, _ = await self(*words, "--json", fails=fails)
        return json.loads(out)


def project(folder: Path) -> None:
    (folder / "camunda-workers.toml").write_text(PROJECT)
    for name in ("bpmn", "forms"):
        (folder / name).symlink_to(ROOT / name)


async def test_a_claim_is_worked_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    async with office(tmp_path, on_disk=True) as ground:
        run, amelia = Shell(tmp_path, ground.engine, monkeypatch, capsys), Caller("amelia", frozenset({ASSESSORS}))
        claim_id = await ground.reported()
        task = await ground.task(claim_id, "assess-claim")
        key = str(task.key)
        listed = await run.json("tasks", "list", "--as", "amelia", "--scope", "team")
        assert ([one["userTaskKey"] for one in listed["items"]], listed["total"], listed["cursor"]) == ([task.key], 1, None)
        assert await run.json("tasks", "counts", "--as", "amelia") == {"mine": 0, "team": 1, "standing-in": 0}
        await run("tasks", "filter", "save", "late", "due=overdue", "--as", "amelia")
        assert await run.json("tasks", "filter", "list", "--as", "amelia") == [{"name": "late", "query": {"due": "overdue"}}]
        assert await run.json("tasks", "list", "--filter", "late", "--as", "amelia") == {"items": [], "total": 0, "cursor": None}
        _, error = await run("tasks", "list", "--filter", "early", "--as", "amelia", fails=True)
        assert "there is no filter 'early' of yours; there are: late" in error
        for words, count in (("ASSESS claims-assessors", 1), ("assess kitchen", 0)):
            assert (await run.json("tasks", "list", "--text", words, "--as", "amelia"))["total"] == count
        assert (await run.json("tasks", "list", "--due", "none", "--as", "amelia"))["total"] == 0
        (tmp_path / "report.txt").write_text("The photographs fit.")
        attached = await run.json("tasks", "attach", key, str(tmp_path / "report.txt"), "--as", "amelia")
        for name in ("report.txt", attached["documentId"]):
            await run("tasks", "download", key, name, "--to", str(tmp_path / "copy.txt"), "--as", "amelia")
            assert (tmp_path / "copy.txt").read_text() == "The photographs fit."
            _, error = await run("tasks", "download", key, name, "--to", str(tmp_path / "copy.txt"), "--as", "amelia", fails=True)
            assert "is there already" in error
            (tmp_path / "copy.txt").unlink()
        await run("tasks", "escalate", key, "The garage does not answer.", "--to", "claims-night", "--as", "amelia")
        assert (await ground.client.get_user_task(task.key)).candidate_groups == [ASSESSORS, "claims-night"]
        assert (await run("tasks", "claim", key, "--as", "amelia"))[0] == f"task {key} (Assess claim): amelia has it\n"
        await ground.tasks.save_draft(amelia, task.key, {"assessment": {"notes": "plausible"}})
        entries = ("assessment.outcome=approve", "assessment.amount=0")
        rejected = await run.json("tasks", "complete", key, *entries, "--as", "amelia", fails=True)
        assert set(rejected["problems"]) == {"assessment.amount", "assessment.notes"}
        done = await run.json("tasks", "complete", key, entries[0], "--draft", "--as", "amelia")
        assert done["variables"] == {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}}
        approval = str((await ground.task(claim_id, "approve-payment")).key)
        _, error = await run("tasks", "claim", approval, "--as", "amelia", fails=True)
        assert "amelia already completed 'assess-claim'" in error
        explained, _ = await run("duties", "explain", approval, "amelia")
        assert "no   assess and approve: amelia already completed 'assess-claim': somebody else has to decide here" in explained
        decided = await run.json("duties", "log", approval)
        assert [(one["kind"], one["actor"], one["allowed"]) for one in decided] == [("duty.decided", "amelia", False)]
        assert (await run("duties", "audit"))[0] == "no task was completed against the rules\n"


@pytest.mark.parametrize("mark", ["form:claims.assess-claim", "claim", "claim/assess-claim", "claim.police_report"])
async def test_who_looks_at_a_sensitive_case_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: str
) -> None:
    project(tmp_path)
    with (tmp_path / "camunda-workers.toml").open("a") as file:
        marked = f'[inbox]\nsensitive = ["{mark}"]\n' if "." not in mark or ":" in mark else ""
        file.write(marked or f'[inbox.processes.claim]\nsensitive_when = {{ "{mark}" = "YES" }}\n')
    async with office(tmp_path, on_disk=True) as ground:
        run = Shell(tmp_path, ground.engine, monkeypatch, capsys)
        claim_id = await ground.reported()
        task = await ground.task(claim_id, "assess-claim")
        (tmp_path / "report.txt").write_text("The photographs fit.")
        await run("tasks", "attach", str(task.key), str(tmp_path / "report.txt"), "--as", "amelia")
        await run("tasks", "list", "--as", "amelia")
        assert await ground.tasks.store.ledger.facts(task.key, kind=VIEWED) == []
        await run("tasks", "show", str(task.key), "--as", "amelia", "--groups", ASSESSORS)
        await run("tasks", "download", str(task.key), "report.txt", "--to", str(tmp_path / "copy.txt"), "--as", "amelia")
        looks = await ground.tasks.store.ledger.facts(task.key, kind=VIEWED)
        assert [(one.actor, one.data["what"], one.data["mark"], one.data["about"], one.business_id) for one in looks] == [
            ("amelia", "task", mark, "command line", claim_id),
            ("amelia", "file", mark, "report.txt", claim_id),
        ]
        await run("case", "show", claim_id, "--as", "ben")
        await run("case", "show", claim_id, "--json", "--variables")
        looks = await ground.tasks.store.database.run(
            lambda connection: connection.execute(select(facts).where(facts.c.kind == VIEWED, facts.c.task_key.is_(None))).all()
        )
        assert [(one.actor, one.data["what"], one.data["mark"], one.business_id) for one in looks] == [
            ("ben", "case", mark, claim_id),
            (getpass.getuser(), "case", mark, claim_id),
        ]


async def test_a_mail_server_hands_answers_to_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    with (tmp_path / "camunda-workers.toml").open("a") as file:
        file.write('[duties.people.emma]\nemail = "emma@office.example"\ngroups = ["claims-approvers"]\n')
        file.write('[notifications]\nreply_to = "decide@office.example"\ntrusted_results = ["mx.office.example"]\n')
    monkeypatch.setenv("CAMUNDA_WORKERS_LINK_SECRET", "s" * 32)
    extra = [Resource("leave.bpmn", LEAVE), Resource("leave.form", json.dumps(FORM).encode())]
    async with office(tmp_path, on_disk=True, extra=extra) as ground:
        run = Shell(tmp_path, ground.engine, monkeypatch, capsys)

        async def answered(text: str, to: str, *more: str, fails: bool = False) -> str:
            raw = f"{PROVEN_BY}From: emma@office.example\r\nTo: {to}\r\n\r\n{text}\r\n".encode()
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
            out, error = await run("tasks", "mail-reply", *more, fails=fails)
            return out.strip() or error.strip()

        await ground.client.start("leave", {"days": 3}, business_id="CLM-1")
        check = await ground.task("CLM-1", "check-leave")
        await ground.tasks.assign(person("lea"), check.key, "ben")
        await ground.tasks.complete(person("ben"), check.key, {})
        task = await ground.task("CLM-1", "approve-leave")
        await ground.tasks.assign(person("lea"), task.key, "emma")
        offer = await ground.tasks.offered("emma", task.key)
        assert offer is not None
        now = ground.engine.clock.now()
        to = address_of("decide@office.example", await reply_tokens(Settings(), ground.tasks.store).issue(offer, now, timedelta(days=9999)))
        assert await answered("approve", "decide@office.example") == "refused: address"
        assert await answered("approve", to, "--sender", "") == "refused: automatic"
        assert await answered("yes please", to, "--sender", "emma@office.example") == "refused: word"
        monkeypatch.setenv("CAMUNDA_REST_ADDRESS", "http://127.0.0.1:9")
        monkeypatch.setenv("CAMUNDA_WORKERS_REQUEST_TIMEOUT", "1")
        assert "could not be worked on now" in await answered("approve", to, fails=True)
        monkeypatch.setenv("CAMUNDA_REST_ADDRESS", ground.engine.rest_address)
        monkeypatch.delenv("CAMUNDA_WORKERS_REQUEST_TIMEOUT")
        monkeypatch.setenv("ORIGINAL_RECIPIENT", to)
        assert await answered("Genehmigen", "somebody@office.example", "--sender", "emma@office.example") == "the task is completed"
        assert (await ground.client.get_user_task(task.key)).state == "COMPLETED"


async def test_the_check_says_whether_the_rules_are_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    async with office(tmp_path, on_disk=True, listeners=False) as ground:
        run = Shell(tmp_path, ground.engine, monkeypatch, capsys)
        checked = await run.json("duties", "check", fails=True)
        assert [problem.partition(":")[0] for problem in checked["problems"]] == ["duties listener 'four-eyes'"]
        await ground.tasks.store.ledger.beat("four-eyes", "duties", datetime.now(UTC))
        out, _ = await run("duties", "check")
        assert out.startswith("the rules are enforced")
