"""``camunda-workers log``: the words and exit codes that people and scripts get."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from camunda_workers.cli.main import main
from camunda_workers.events import EventLog, ReadModel
from tests.support.recorded import PAID, recorded

LINES = recorded()
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMUNDA_WORKERS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("CAMUNDA_WORKERS_EVENT_LOG", raising=False)

    async def fill() -> None:
        async with EventLog.open(tmp_path / "events.db") as log:
            await log.append(LINES)
            await ReadModel(log).catch_up()

    asyncio.run(fill())
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def tamper(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "events.db")
    for statement in ("DROP TRIGGER records_refuse_update", *statements):
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_verify_says_what_it_found(folder: Path, run: Run) -> None:
    code, out, _ = run("log", "verify")
    assert (code, f"good: {len(LINES)} of {len(LINES)} records recomputed" in out, "no public key was found" in out) == (0, True, True)
    code, out, _ = run("log", "checkpoint", "-o", str(folder / "kept.txt"))
    assert (code, out == (folder / "kept.txt").read_text(), out.split("\n")[1]) == (0, True, str(len(LINES)))
    code, out, _ = run("log", "verify", "--checkpoint", str(folder / "kept.txt"))
    assert f"signed: 1 checkpoints up to {len(LINES)} records" in out
    code, out, _ = run("log", "verify", "--from-checkpoint", str(folder / "kept.txt"), "--json")
    assert (code, json.loads(out)["good"], json.loads(out)["from"]) == (0, True, len(LINES) // 256 * 256)


def test_verify_names_the_first_bad_record(folder: Path, run: Run) -> None:
    tamper(folder, "UPDATE records SET json = json || ' ' WHERE seq = 500")
    code, out, _ = run("log", "verify")
    assert (code, out.startswith("WRONG: record 500 (partition 1, position ")) == (1, True), out
    code, out, _ = run("log", "verify", "--json")
    assert (code, json.loads(out)["problems"][0]["record"]) == (1, 500)


def test_erase_asks_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, out, _ = run("log", "erase", "--subject", PAID)
    assert (code, "process instances (CLM-000123)" in out, "Erase them for ever?" in out) == (1, True, True)
    code, out, _ = run("log", "erase", "--subject", PAID, "--yes", "--reason", "GDPR 17", "--json")
    assert (code, json.loads(out)["cases"]) == (0, [PAID])
    code, out, _ = run("log", "verify", "--json")
    assert json.loads(out)["erased"] > 50
    code, out, _ = run("case", "show", PAID)
    assert code == 0
    assert "12500" not in out
    code, _, err = run("log", "erase", "--subject", "nobody@example.org", "--yes")
    assert (code, "knows nothing of 'nobody@example.org'" in err) == (1, True)


def test_tail_filters(run: Run) -> None:
    code, out, _ = run("log", "tail", "--filter", "valueType=INCIDENT", "--filter", "intent=CREATED,RESOLVED")
    assert code == 0
    assert out.count("\n") == out.count(" INCIDENT ") > 2
    code, out, _ = run("log", "tail", "-n", "3", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [json.loads(line) for line in LINES[-3:]]
    code, _, err = run("log", "tail", "--filter", "colour=blue")
    assert (code, "'colour=blue' is not a condition" in err) == (1, True)
    code, _, err = run("log", "tail", "--filter", "key=blue")
    assert (code, "key is a number" in err) == (1, True)


def test_stats_counts(run: Run) -> None:
    code, out, _ = run("log", "stats", "--json")
    found = json.loads(out)
    assert (code, found["records"], found["cases"]) == (0, len(LINES), 7)
    assert sum(row["records"] for row in found["byKind"]) == len(LINES)
    code, out, _ = run("log", "stats")
    assert (code, "PROCESS_INSTANCE" in out, "bytesPerRecord" in out) == (0, True, True)


def test_rebuild(folder: Path, run: Run) -> None:
    connection = sqlite3.connect(folder / "events.db")
    before = connection.execute("SELECT * FROM jobs ORDER BY key").fetchall()
    connection.execute("UPDATE jobs SET state = 'WRONG'")
    connection.commit()
    code, out, _ = run("log", "rebuild", "jobs")
    assert (code, "into jobs" in out) == (0, True)
    assert connection.execute("SELECT * FROM jobs ORDER BY key").fetchall() == before
    connection.close()
    code, _, err = run("log", "rebuild", "weather")
    assert (code, "there is no projection 'weather'; known are instances" in err) == (1, True)


def test_exports(folder: Path, run: Run) -> None:
    for what, name in (("proofs", "log.zip"), ("ocel", "log.json"), ("ocel", "log.sqlite"), ("xes", "log.xes"), ("parquet", "lake")):
        code, out, err = run("log", "export", str(folder / name), "--format", what)
        assert (code, (folder / name).exists()) == (0, True), out + err
    code, out, _ = run("case", "export", PAID, "-o", str(folder / "case.zip"))
    assert (code, "python verify.py" in out) == (0, True)
    code, _, err = run("log", "export", str(folder / "x"), "--format", "cuneiform")
    assert (code, "there is no format 'cuneiform'" in err) == (2, True)


def test_a_log_that_is_not_there(tmp_path: Path, run: Run) -> None:
    code, _, err = run("log", "verify", "--data-dir", str(tmp_path / "nowhere"))
    assert (code, "there is no event log at" in err, "--data-dir" in err) == (1, True, True)


def test_a_log_of_an_earlier_version_says_what_to_do(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "old" / "events.db"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE records (partition INTEGER, position BIGINT, json TEXT, PRIMARY KEY (partition, position))")
    connection.commit()
    connection.close()
    code, _, err = run("log", "verify", "--log", str(path))
    assert (code, "was written by an early version" in err, "move it away" in err) == (1, True, True)


def test_the_sinks_configuration(run: Run) -> None:
    code, out, _ = run("log", "sink", "--show-configuration", "--port", "9201")
    assert (code, "zeebe.broker.exporters.records.args.url=http://127.0.0.1:9201\n" in out) == (0, True)
