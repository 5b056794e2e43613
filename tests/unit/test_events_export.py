"""The log for others: evidence of a case, process mining, a warehouse."""

from __future__ import annotations

import importlib
import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lxml import etree

from camunda_workers.errors import NotFound
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.export.bundle import export_case
from camunda_workers.events.export.evidence import canonical_hash
from camunda_workers.events.export.mining import mine
from camunda_workers.events.export.ocel import to_ocel, write_ocel_json, write_ocel_sqlite
from camunda_workers.events.export.parquet import export_parquet
from camunda_workers.events.export.xes import write_xes
from camunda_workers.events.facts import Fact, FactKind, Facts
from tests.support.recorded import PAID, recorded

# Libraries without types.
dataset: Any = importlib.import_module("pyarrow.dataset")
parquet: Any = importlib.import_module("pyarrow.parquet")
SIGNER = Signer("example.org/log", bytes(range(32)))
LINES = recorded()
SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "ocel20-schema-json.json").read_text())
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open() as opened:
        await opened.append(LINES)
        await Facts(opened).record(
            Fact(FactKind.AI_DECISION, {"model": "m-1"}, {"rationale": "<script>alert('two vehicles')</script>"}, business_id=PAID),
            Fact(FactKind.APPROVAL, {"outcome": "approve"}, business_id="CLM-000999"),
        )
        yield opened


# --- evidence of a case --------------------------------------------------------------------------------------------------------------


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


def checked(path: Path, verifier: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(verifier), str(path), str(SIGNER.verifier)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_the_evidence_of_a_case_checks_itself(log: EventLog, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    count = await export_case(log, PAID, path, SIGNER, now=NOW)
    instances = set(await log.instances_of(PAID))
    files = unpacked(path)
    assert set(files) == {
        "README.txt", "index.html", "story.json", "shown.json", "variables.json", "facts.json", "records.jsonl", "checkpoint.txt", "verify.py",
        "bundle.txt",
        "forms/claims.assess-claim-v1.form", "diagrams/claim-v1.bpmn", "diagrams/letter-v1.bpmn",
    }  # fmt: skip
    (tmp_path / "verify.py").write_bytes(files["verify.py"])
    code, said = checked(path, tmp_path / "verify.py")
    assert code == 0, said
    assert f"{count} records are what was signed" in said
    kinds = {json.loads(str(json.loads(line)["entry"]).split("\n", 1)[1])["valueType"] for line in files["records.jsonl"].splitlines()}
    assert {"PROCESS", "FORM", "MESSAGE", "USER_TASK", "JOB", "DECISION_EVALUATION", "AI_DECISION", "VARIABLE"} <= kinds
    assert [one["valueType"] for one in json.loads(files["facts.json"])] == ["AI_DECISION"]
    changes = [(one["name"], one["operation"], one["elementId"]) for one in json.loads(files["variables.json"])]
    assert ("claim", "CREATED", None) in changes
    assert len(changes) == len(
        [change async for change in log.records(value_types={"VARIABLE"}) if change.process_instance_key in instances]
    )
    assert b"CLM-000999" not in files["records.jsonl"]


async def test_what_was_shown_is_what_the_task_could_see(log: EventLog, tmp_path: Path) -> None:
    await export_case(log, PAID, tmp_path / "case.zip", SIGNER, now=NOW)
    shown = json.loads(unpacked(tmp_path / "case.zip")["shown.json"])
    assert [(one["elementId"], one["moment"], one["who"]) for one in shown] == [
        ("assess-claim", "created", None),
        ("assess-claim", "completed", "bob"),
        ("assess-claim", "created", None),
        ("assess-claim", "completed", "bob"),
    ]
    assert sorted(shown[0]["data"]) == ["claim", "fraud", "policy", "triage"]
    assert "documents" in shown[2]["data"]
    assert all(one["sha256"] == canonical_hash(one["data"]) and one["form"] == "claims.assess-claim-v1.form" for one in shown)


async def test_every_file_of_the_evidence_is_covered(log: EventLog, tmp_path: Path) -> None:
    await export_case(log, PAID, tmp_path / "case.zip", SIGNER, now=NOW)
    files = unpacked(tmp_path / "case.zip")
    (tmp_path / "verify.py").write_bytes(files["verify.py"])
    for name in files:
        code, said = checked(packed(tmp_path / "other.zip", files | {name: files[name] + b" "}), tmp_path / "verify.py")
        assert (code, "WRONG" in said) == (1, True), name
    for other in (files | {"more.txt": b""}, {name: content for name, content in files.items() if name != "index.html"}):
        assert "files were added or removed" in checked(packed(tmp_path / "other.zip", other), tmp_path / "verify.py")[1]


async def test_the_page_runs_nobodys_script_and_loads_nothing(log: EventLog, tmp_path: Path) -> None:
    await export_case(log, PAID, tmp_path / "case.zip", SIGNER, now=NOW)
    page = unpacked(tmp_path / "case.zip")["index.html"].decode()
    assert "<script" not in page
    assert "two vehicles" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    for part in ("Assess claim", "four eyes: alice reported this claim herself", "What people were shown", str(SIGNER.verifier)):
        assert part in page


async def test_the_evidence_of_an_erased_case_still_checks(log: EventLog, tmp_path: Path) -> None:
    await erase(log, await plan_erasure(log, PAID))
    await export_case(log, PAID, tmp_path / "case.zip", SIGNER, now=NOW)
    files = unpacked(tmp_path / "case.zip")
    (tmp_path / "verify.py").write_bytes(files["verify.py"])
    code, said = checked(tmp_path / "case.zip", tmp_path / "verify.py")
    assert (code, "0 contents are what the log committed to" in said) == (0, True), said
    assert b"12500" not in b"".join(files.values())


async def test_a_case_that_is_not_there(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no case 'CLM-9'"):
        await export_case(log, "CLM-9", tmp_path / "case.zip", SIGNER)


# --- process mining ------------------------------------------------------------------------------------------------------------------


async def test_ocel_json_is_valid_and_consistent(log: EventLog, tmp_path: Path) -> None:
    events, things = await mine(log)
    write_ocel_json(events, things, tmp_path / "log.json")
    ocel = json.loads((tmp_path / "log.json").read_text())
    jsonschema.validate(ocel, SCHEMA, format_checker=jsonschema.FormatChecker())
    objects = {one["id"]: one for one in ocel["objects"]}
    types = {one["name"]: {attribute["name"] for attribute in one["attributes"]} for one in ocel["eventTypes"]}
    for event in ocel["events"]:
        assert {attribute["name"] for attribute in event["attributes"]} <= types[event["type"]]
        assert event["relationships"]
        assert all(one["objectId"] in objects for one in event["relationships"])
    assert all(one["objectId"] in objects for thing in ocel["objects"] for one in thing["relationships"])
    assert {one["type"] for one in ocel["objects"]} == {"case", "process instance", "task", "agent", "service", "user"}
    assert len({event["id"] for event in ocel["events"]}) == len(ocel["events"])
    done = next(event for event in ocel["events"] if event["type"] == "Assess claim: completed")
    assert {one["qualifier"] for one in done["relationships"]} == {"case", "process instance", "task", "completed by"}


async def test_documents_are_objects() -> None:
    variable = json.loads(next(line for line in LINES if b'"VARIABLE"' in line))
    document = {
        "camunda.document.type": "camunda", "storeId": "s", "documentId": "d-1", "metadata": {"fileName": "photo.jpg", "contentType": "image/jpeg"},
    }  # fmt: skip
    value = {**variable["value"], "name": "documents", "value": json.dumps([document])}
    start = next(i for i, line in enumerate(LINES) if b"ELEMENT_ACTIVATING" in line)
    async with EventLog.open() as log:
        await log.append([*LINES[: start + 1], json.dumps({**variable, "position": 9000, "value": value})])
        events, things = await mine(log)
    assert [thing.attributes for thing in things if thing.type == "document"] == [{"fileName": "photo.jpg", "contentType": "image/jpeg"}]
    assert events[-1].type == "documents: documents added"
    jsonschema.validate(to_ocel(events, things), SCHEMA)


async def test_ocel_sqlite_holds_the_same(log: EventLog, tmp_path: Path) -> None:
    events, things = await mine(log)
    write_ocel_sqlite(events, things, tmp_path / "log.sqlite")
    ocel = to_ocel(events, things)
    connection = sqlite3.connect(tmp_path / "log.sqlite")
    assert connection.execute("SELECT count(*) FROM event").fetchone() == (len(events),)
    assert connection.execute("SELECT count(*) FROM object").fetchone() == (len(things),)
    assert connection.execute("SELECT count(*) FROM event_object").fetchone() == (sum(len(e["relationships"]) for e in ocel["events"]),)
    assert connection.execute("SELECT count(*) FROM object_object").fetchone() == (sum(len(o["relationships"]) for o in ocel["objects"]),)
    for kind, count in (("event", len(events)), ("object", len(things))):
        maps = connection.execute(f"SELECT ocel_type, ocel_type_map FROM {kind}_map_type").fetchall()
        assert len({short.casefold() for _, short in maps}) == len(maps)
        assert sum(connection.execute(f'SELECT count(*) FROM "{kind}_{short}"').fetchone()[0] for _, short in maps) == count
    found = connection.execute('SELECT e.ocel_time, e.element FROM "event_AssessClaimCompleted" e ORDER BY 1').fetchall()
    assert [element for _, element in found] == ["assess-claim"] * len(found)
    assert found[0][0].endswith("Z")
    connection.close()


async def test_xes_has_a_trace_for_each_case(log: EventLog, tmp_path: Path) -> None:
    events, _ = await mine(log, process="claim")
    assert write_xes(events, tmp_path / "log.xes") == len({event.case for event in events})
    space = "{http://www.xes-standard.org/}"
    root = etree.parse(str(tmp_path / "log.xes")).getroot()
    traces = root.findall(f"{space}trace")
    names = [str(trace.findall(f"{space}string")[0].get("value")) for trace in traces]
    assert PAID in names
    steps = [one.get("value") for one in traces[names.index(PAID)].iter(f"{space}string") if one.get("key") == "concept:name"][1:]
    assert steps[:4] == ["Motor claim: started", "Check policy: completed", "Score fraud: decided", "Triage claim: completed"]
    people = [one.get("value") for one in traces[names.index(PAID)].iter(f"{space}string") if one.get("key") == "org:resource"]
    assert "bob" in people


# --- a warehouse ---------------------------------------------------------------------------------------------------------------------


async def test_parquet_is_typed_and_partitioned(log: EventLog, tmp_path: Path) -> None:
    await ReadModel(log).catch_up()
    counts = await export_parquet(log, tmp_path / "lake")
    assert counts["records"] == await log.size() == len(LINES) + 2
    table: Any = dataset.dataset(str(tmp_path / "lake" / "records"), partitioning="hive").to_table().sort_by("seq")
    assert table.column("seq").to_pylist() == list(range(len(LINES) + 2))
    assert str(table.schema.field("timestamp").type) == "timestamp[ms, tz=UTC]"
    assert set(table.column("month").to_pylist()) >= {"2026-11"}
    first = json.loads(LINES[0])
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["position"], row["value_type"], json.loads(row["value"])) == (1, first["valueType"], first["value"])
    assert (tmp_path / "lake" / "records" / "month=2026-11" / "value_type=JOB").is_dir()
    tasks: Any = parquet.read_table(str(tmp_path / "lake" / "user_tasks.parquet"))
    assert tasks.num_rows == counts["user_tasks"] == 6
    assert str(tasks.schema.field("created_at").type) == "timestamp[ms, tz=UTC]"
    assert (await export_parquet(log, tmp_path / "lake"))["records"] == counts["records"]  # again: replaced, not doubled
    assert dataset.dataset(str(tmp_path / "lake" / "records"), partitioning="hive").count_rows() == counts["records"]
