"""Nobody changes the log unseen: every kind of change is found and named, and what may be erased can be."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camunda_workers.errors import NotFound, ReadModelError
from camunda_workers.events import EventLog, ReadModel, parse_record
from camunda_workers.events.chain import sealing
from camunda_workers.events.chain import verify as verifying
from camunda_workers.events.chain.checkpoint import Checkpoint, open_checkpoint
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.chain.notary import Notary, load_signer
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.chain.verify import Report, verify_log
from camunda_workers.events.export.proofs import export_log
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.schema import RECORD_COLUMNS
from tests.support.recorded import changed, recorded

SIGNER = Signer("example.org/log", bytes(range(32)))
LINES = recorded()
FIRST, SECOND = 700, 1000
"""Sizes at which the log was signed."""


@dataclass
class Kept:
    path: Path
    notes: list[str]

    def tamper(self, *statements: str) -> None:
        connection = sqlite3.connect(self.path)
        for name in ("records_refuse_update", "records_refuse_delete", "payloads_refuse_update"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
        connection.commit()
        connection.close()

    async def verified(self, since: Checkpoint | None = None, *, trusted: bool = False) -> Report:
        signed = [open_checkpoint(note, [SIGNER.verifier]) for note in self.notes] if trusted else []
        async with EventLog.open(self.path) as log:
            return await verify_log(log, [SIGNER.verifier], since=since, trusted=signed)


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    # Whoever writes the log anew has its salts.
    monkeypatch.setattr(sealing.os, "urandom", bytes)
    path = tmp_path / "events.db"
    async with EventLog.open(path) as log:
        notary = Notary(log, SIGNER)
        await log.append(LINES[:FIRST])
        notes = [await notary.sign()]
        await log.append(LINES[FIRST : SECOND - 1])
        await Facts(log).record(Fact(FactKind.APPROVAL, {"outcome": "approve"}))
        notes.append(await notary.sign())
        await log.append(LINES[SECOND - 1 :])
        return Kept(path, notes)


async def test_a_log_that_nobody_touched(kept: Kept) -> None:
    report = await kept.verified()
    assert report.good
    assert (report.records, report.size, report.checkpoints, report.signed_to) == (len(LINES) + 1, len(LINES) + 1, 2, SECOND)
    assert report.contents > 100
    assert report.erased == 0


@pytest.mark.parametrize("place", [0, 256, 1010])
@pytest.mark.parametrize("column", ["json", "timestamp", "intent", "key", "element_id", "business_id", "position"])
async def test_one_bit_of_any_column(kept: Kept, place: int, column: str) -> None:
    flipped = {
        "json": "replace(json, 'recordType', 'recordTypd')",
        "intent": "intent || 'E'",
        "element_id": "coalesce(element_id, '') || 'a'",
        "business_id": "coalesce(business_id, '') || 'a'",
    }
    kept.tamper(f"UPDATE records SET {column} = {flipped.get(column, f'{column} + 10000000')} WHERE seq = {place}")
    report = await kept.verified()
    assert report.problems[0].seq == place
    assert f"record {place} (partition " in report.problems[0].what
    assert "is not what was written" in report.problems[0].what


async def test_a_record_removed(kept: Kept) -> None:
    kept.tamper("DELETE FROM records WHERE seq = 612")
    report = await kept.verified()
    assert report.problems[0].seq == 612
    assert report.problems[0].what == "record 612 is missing, behind partition 1 position 612; the next that is there is record 613"


async def test_a_record_removed_and_the_others_moved_up(kept: Kept) -> None:
    kept.tamper(
        "DELETE FROM records WHERE seq = 612", *(f"UPDATE records SET seq = seq - 1 WHERE seq = {n}" for n in range(613, len(LINES) + 1))
    )
    assert (await kept.verified()).problems[0].seq == 612


async def test_two_records_in_another_order(kept: Kept) -> None:
    kept.tamper(
        "UPDATE records SET seq = -1 WHERE seq = 300",
        "UPDATE records SET seq = 300 WHERE seq = 301",
        "UPDATE records SET seq = 301 WHERE seq = -1",
    )
    report = await kept.verified()
    assert report.problems[0].seq == 300
    assert "altered or put elsewhere" in report.problems[0].what


async def test_the_end_cut_off(kept: Kept) -> None:
    kept.tamper("DELETE FROM records WHERE seq >= 900", "DELETE FROM payloads WHERE seq >= 900")
    assert (await kept.verified()).problems[0].seq == 900


async def rewritten(kept: Kept, lines: list[bytes], signed: int) -> None:
    """The same log as somebody would make it who knows how: every hash right, only the signatures are the old ones."""
    kept.path.unlink()
    async with EventLog.open(kept.path) as log:
        await log.append(lines)
        await log.database.maintain(
            *(
                f"INSERT INTO checkpoints VALUES ({size}, '{note}')"
                for size, note in zip((FIRST, SECOND)[:signed], kept.notes, strict=False)
            )
        )


async def test_the_end_cut_off_by_somebody_who_knows_how(kept: Kept) -> None:
    await rewritten(kept, list(LINES[:900]), 2)
    report = await kept.verified()
    assert report.problems[0].seq == 900
    assert report.problems[0].what == ("the log ends with record 899, but a signed checkpoint covers 1000 records: its end was cut off")
    await rewritten(kept, list(LINES[:900]), 1)
    assert (await kept.verified()).good  # nothing in the database tells ...
    assert not (await kept.verified(trusted=True)).good  # ... but a checkpoint that was kept elsewhere does


async def test_a_record_altered_by_somebody_who_knows_how(kept: Kept) -> None:
    lines = list(LINES)
    lines[800] = changed(lines[800], timestamp=1)
    await rewritten(kept, lines, 1)
    assert (await kept.verified()).good
    problems = (await kept.verified(trusted=True)).problems
    assert [problem.what for problem in problems] == [
        "a record from 700 to 999 was altered, and its hashes with it: they are not what was signed at size 1000"
    ]
    lines[30] = changed(lines[30], timestamp=1)
    await rewritten(kept, lines, 1)
    assert "a record from 0 to 699 was altered" in (await kept.verified()).problems[0].what


async def test_a_stored_hash_altered(kept: Kept) -> None:
    kept.tamper("UPDATE tiles SET hashes = CAST(x'00' || substr(hashes, 2) AS BLOB) WHERE level = 0 AND number = 1")
    report = await kept.verified()
    assert report.problems[0].seq in {0, 256}
    assert any("the stored hash of record 256 was altered; the record itself is as it was written" in one.what for one in report.problems)


async def test_a_chain_altered(kept: Kept) -> None:
    kept.tamper("UPDATE tiles SET chains = CAST(replace(chains, '1 256 ', '1 255 ') AS BLOB) WHERE level = 0 AND number = 0")
    assert (await kept.verified()).problems[0].what == "partition 1: its chain is not the one that was kept behind record 255"


async def test_the_end_of_a_chain_altered(kept: Kept) -> None:
    kept.tamper("UPDATE heads SET link = zeroblob(32) WHERE partition = 1")
    assert "partition 1: its chain is not the one that was kept" in (await kept.verified()).problems[0].what


async def test_a_checkpoint_altered(kept: Kept) -> None:
    kept.tamper("UPDATE checkpoints SET note = replace(note, '1000', '1001') WHERE size = 1000")
    assert "a checkpoint behind record 699 is no longer what was signed" in (await kept.verified()).problems[0].what


async def test_a_record_put_behind_the_end(kept: Kept) -> None:
    columns = ", ".join(name for name in RECORD_COLUMNS if name not in {"seq", "position"})
    kept.tamper(
        f"INSERT INTO records (seq, position, {columns}) SELECT seq + 1, position + 1, {columns} FROM records WHERE seq = {len(LINES)}"
    )
    assert "not part of the tree" in (await kept.verified()).problems[0].what


async def test_a_content_altered_or_removed(kept: Kept) -> None:
    kept.tamper("UPDATE payloads SET body = '\"another\"' WHERE seq = (SELECT min(seq) FROM payloads)")
    report = await kept.verified()
    assert "a content was altered" in report.problems[0].what
    place = report.problems[0].seq
    async with EventLog.open(kept.path) as log:
        with pytest.raises(ReadModelError, match="not what the log committed to: run 'camunda-workers log verify'"):
            [record async for record in log.records()]
    connection = sqlite3.connect(kept.path)
    connection.execute("DELETE FROM payloads WHERE seq = (SELECT min(seq) FROM payloads)")
    connection.commit()
    connection.close()
    problem = (await kept.verified()).problems[0]
    assert (problem.seq, "no erasure in the log says so" in problem.what) == (place, True)


async def test_from_a_checkpoint_only_what_is_behind_it_is_recomputed(kept: Kept) -> None:
    since = open_checkpoint(kept.notes[0], [SIGNER.verifier])
    report = await kept.verified(since)
    assert report.good
    assert report.first == 512  # the tile that it falls into
    assert report.records == len(LINES) + 1 - 512
    kept.tamper("UPDATE records SET key = key + 1 WHERE seq = 100")
    assert (await kept.verified(since)).good


async def test_side_by_side_finds_the_same(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(verifying, "PORTION", 512)
    kept.tamper("UPDATE records SET key = key + 1 WHERE seq = 1010")
    report = await kept.verified()
    assert [problem.seq for problem in report.problems] == [1010]
    assert report.records == 512 + 256


async def test_a_log_without_records(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log:
        await Notary(log, SIGNER).sign()
        report = await verify_log(log, [SIGNER.verifier])
    assert (report.good, report.size, report.checkpoints) == (True, 0, 1)


async def test_a_wrong_key_is_a_problem(kept: Kept) -> None:
    async with EventLog.open(kept.path) as log:
        report = await verify_log(log, [Signer.new("example.org/log").verifier])
    assert "not signed by" in report.problems[0].what


async def test_checkpoints_are_signed_on_an_interval(tmp_path: Path) -> None:
    class Ticking:
        at = datetime(2026, 1, 1, tzinfo=UTC)

        def now(self) -> datetime:
            return self.at

    clock = Ticking()
    async with EventLog.open(tmp_path / "events.db") as log:
        notary = Notary(log, SIGNER, every=100, seconds=60, clock=clock)
        assert await notary.catch_up() == 0
        await log.append(LINES[:99])
        assert await notary.catch_up() == 0
        await log.append(LINES[99:100])
        assert await notary.catch_up() == 100
        await log.append(LINES[100:101])
        assert await notary.catch_up() == 0
        clock.at = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
        assert await notary.catch_up() == 1
        assert await Notary(log, SIGNER, every=100, clock=clock).catch_up() == 0


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.key"
    signer = load_signer(path, name="example.org/log")
    assert load_signer(path, name="another").verifier == signer.verifier
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "events.pub").read_text().strip() == str(signer.verifier)
    path.write_text("something else")
    with pytest.raises(ReadModelError, match="not a private key"):
        load_signer(path, name="another")


# --- erasure -------------------------------------------------------------------------------------------------------------------------


def with_person(line: bytes) -> bytes:
    """The claim's variable, with a claimant."""
    return line.replace(rb"\"total_amount\":12500", rb"\"total_amount\":12500,\"email\":\"ada@example.org\"").replace(
        b'"total_amount":12500', b'"total_amount":12500,"email":"ada@example.org"'
    )


PERSONAL = [with_person(line) for line in recorded("paid")]


def files_with(path: Path, text: bytes) -> list[str]:
    return [one.name for one in path.parent.iterdir() if one.is_file() and text in one.read_bytes()]


@pytest.mark.parametrize("subject", ["CLM-000123", "ada@example.org", "2251799813685255"])
async def test_a_case_is_erased_and_the_log_still_verifies(tmp_path: Path, subject: str) -> None:
    path = tmp_path / "events.db"
    async with EventLog.open(path) as log:
        await log.append(PERSONAL)
        await Facts(log).record(
            Fact(
                FactKind.AI_DECISION,
                {"model": "m"},
                {"rationale": "ada@example.org wrote"},
                business_id="CLM-000123",
                process_instance_key=2251799813685255,
            ),
            Fact(FactKind.AI_DECISION, {"model": "m"}, {"rationale": "somebody else"}, business_id="CLM-000999"),
        )
        await log.append(recorded("waiting"))
        await Notary(log, SIGNER).sign()
        model = ReadModel(log)
        await model.catch_up()
        before = [record async for record in log.records()]
        assert files_with(path, b"ada@example.org")

        plan = await plan_erasure(log, subject)
        assert 2251799813685255 in plan.instances
        assert await erase(log, plan, reason="asked for it", by="privacy officer") == len(plan.contents) > 50
        await model.rebuild()

        report = await verify_log(log, [SIGNER.verifier])
        assert report.good
        assert report.erased == len(plan.contents)
        after = [record async for record in log.records()]
        assert [one.position for one in after] == [one.position for one in before]
        assert [(one.value_type, one.intent, one.position) for one in after if "ada@example.org" in one.text] == []
        claim = next(one for one in after if one.value_type == "VARIABLE" and one.value["name"] == "claim")
        assert claim.value["value"] == '"(erased)"'
        facts = [one async for one in log.records(partition=0)]
        assert [one.value.get("content") for one in facts[:2]] == [{}, {"rationale": "somebody else"}]
        assert facts[-1].value["reason"] == "asked for it"
        assert subject not in facts[-1].text or subject.isdigit()
        assert await erase(log, await plan_erasure(log, "CLM-000123")) == 0
    # Not a byte of it is left: not in free pages, not in the write-ahead log, not in the read model.
    assert files_with(path, b"ada@example.org") == []
    async with EventLog.open(path) as log:
        assert any('"email"' in one.text or "claim_id" in one.text for one in [r async for r in log.records(value_types={"VARIABLE"})])


async def test_others_keep_theirs(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log:
        await log.append(LINES)
        others = set(await log.business_ids()) - {"CLM-000123"}
        told = {name: [one.text async for one in log.records(process_instance_keys=await log.instances_of(name))] for name in others}
        await erase(log, await plan_erasure(log, "CLM-000123"))
        for name in others:
            assert [one.text async for one in log.records(process_instance_keys=await log.instances_of(name))] == told[name]


async def test_a_subject_that_nobody_knows(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log:
        await log.append(PERSONAL)
        with pytest.raises(NotFound, match="knows nothing of 'eve@example"):
            await plan_erasure(log, "eve@example.org")
        with pytest.raises(NotFound):
            await plan_erasure(log, "99999")


@pytest.mark.parametrize(
    "value",
    [
        {"variables": {"variables": {"a": [1, 'x","variables":{']}}},
        {"customHeaders": {"variables": "x"}, "variables": {"b": 1}},
        {"variables": {}, "errorMessage": 'it "failed" with \\ and ü and \U0001f600'},
        {"a": {"$sealed": "looks like one of ours"}, "variables": {"c": 2}},
        {"correlationKey": "k", "variables": {"correlationKey": "k", "x": None}},
    ],
)
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : "), (", ", ": ")])
async def test_a_text_comes_back_as_it_went_whatever_is_in_it(
    value: dict[str, object], indent: int | None, separators: tuple[str, str]
) -> None:
    record = {**json.loads(LINES[0]), "valueType": "JOB", "value": value}
    line = json.dumps(record, ensure_ascii=False, indent=indent, separators=separators)
    async with EventLog.open() as log:
        await log.append([line])
        found = await log.record_at(1)
        assert found is not None
        assert found.text == line
        assert parse_record(found.text).value == value
        assert (await verify_log(log)).good


# --- checked elsewhere ---------------------------------------------------------------------------------------------------------------


async def exported(tmp_path: Path, change: Callable[[str], str] = str) -> Path:
    path = tmp_path / "export.zip"
    async with EventLog.open(":memory:") as log:
        await log.append(LINES[:600])
        note = await Notary(log, SIGNER).sign()
        await export_log(log, path, note, 600)
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(altered, "w") as other:
        for name in good.namelist():
            text = good.read(name).decode()
            other.writestr(name, change(text) if name == "records.jsonl" else text)
        (tmp_path / "verify.py").write_bytes(good.read("verify.py"))
    return altered


def run_verifier(tmp_path: Path, path: Path, key: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(path), key], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    return done.returncode, done.stdout + done.stderr


async def test_an_export_is_checked_with_nothing_but_the_key(tmp_path: Path) -> None:
    path = await exported(tmp_path)
    code, said = run_verifier(tmp_path, path, str(SIGNER.verifier))
    assert (code, "600 records are what was signed" in said) == (0, True), said
    code, said = run_verifier(tmp_path, path, str(Signer.new("example.org/log").verifier))
    assert (code, "WRONG: there is no signature" in said) == (1, True), said


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def cut_short(text: str) -> str:
    return text[:-20]


def only(lines: slice) -> Callable[[str], str]:
    return lambda text: "".join(text.splitlines(keepends=True)[lines])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (instead("ELEMENT_ACTIVATED", "ELEMENT_ACTIVATEE"), "says something else than its text"),
        (instead("claim", "clain"), "are not what was signed"),
        (only(slice(-1)), "there are 599 records, but 600 were signed"),
        (only(slice(1, None)), "record 0 is missing"),
        (instead("12500}", "12501}"), "a content is not what the log committed to"),
        (cut_short, "not an export that can be checked"),
    ],
)
async def test_an_export_that_was_altered(tmp_path: Path, change: Callable[[str], str], says: str) -> None:
    code, said = run_verifier(tmp_path, await exported(tmp_path, change), str(SIGNER.verifier))
    assert (code, says in said) == (1, True), said
