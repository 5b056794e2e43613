"""``engine start --data``, ``backup``, ``restore`` and ``inspect``: a durable engine looked after from the command line."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.cli.main import main
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded.durable.backup import back_up, restore
from camunda_workers.engine.embedded.durable.files import sealed
from camunda_workers.engine.embedded.durable.folder import MANIFEST, read_manifest
from camunda_workers.engine.embedded.durable.inspect import inspect_folder
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ConfigurationError, ReadModelError
from camunda_workers.settings import Settings
from tests.support.durable import CASE, Acknowledged, DurableProcess, Load, gateway

pytestmark = pytest.mark.engine


def cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command; its exit code, output and error output."""
    try:
        main(list(words))
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def silent(text: str) -> None:
    """Nobody listens."""


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """The folder of an engine that was stopped three times, so that its log was cleaned."""
    folder = tmp_path / "data"
    for number in range(3):
        async with EmbeddedEngine(data=folder) as engine, gateway(engine.grpc_address) as stub:
            if not number:
                await deploy(stub)
            await start(stub, number)
    return folder


async def deploy(stub: Any) -> None:
    await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="case.bpmn", content=CASE)]))


async def start(stub: Any, number: int) -> int:
    variables = json.dumps({"number": number, "case": f"case-{number}"})
    answer = await stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="case", version=-1, variables=variables))
    return answer.processInstanceKey


async def instances(folder: Path) -> dict[int, int]:
    """Start an engine in a folder and return its cases: number and key."""
    async with EmbeddedEngine(data=folder) as engine:
        model = await engine.read_model()
        found = await model.search_variables({"name": "number"}, page={"limit": 10_000})
        states = await model.search_process_instances(page={"limit": 10_000})
        known = {int(item["processInstanceKey"]) for item in states["items"]}
        cases = {int(item["value"]): int(item["processInstanceKey"]) for item in found["items"]}
        assert set(cases.values()) <= known
        return cases


async def test_a_backup_of_a_busy_engine_holds_what_was_acknowledged_before(tmp_path: Path) -> None:
    data, ledger = tmp_path / "data", Acknowledged()
    engine = DurableProcess(data, "--snapshot-every", "0.3")
    before: list[dict[int, int]] = []
    try:
        await engine.start()
        await engine.until_ready()
        async with gateway(engine.ready["grpc"]) as stub:
            await deploy(stub)
            loaded = asyncio.create_task(Load(stub, ledger, random.Random(3)).run())
            async with asyncio.timeout(60):
                for number in range(3):
                    while len(ledger.cases) < 50 * (number + 1):
                        await asyncio.sleep(0.01)
                    before.append(dict(ledger.cases))
                    made = await asyncio.to_thread(back_up, data, tmp_path / f"backup-{number}", silent)
                    assert 0 < made.snapshot <= made.position
                    assert 0 <= made.event_log <= made.position
            assert inspect_folder(data)["in_use"]
            await engine.kill()
            await asyncio.wait_for(loaded, 30)
    finally:
        await engine.end()
    for number, cases in enumerate(before):
        restored = tmp_path / f"restored-{number}"
        restore(tmp_path / f"backup-{number}", restored, silent)
        assert inspect_folder(restored, verify=True)["problems"] == []
        found = await instances(restored)
        assert cases.items() <= found.items()
        assert found.keys() <= set(range(1, ledger.tried + 1))


async def test_backup_restore_inspect_by_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy, again = tmp_path / "copy", tmp_path / "deep" / "again"
    code, out, err = cli(capsys, "engine", "backup", str(data), str(copy))
    assert (code, f"engine restore {copy}" in out, "copying the engine's log" in err) == (0, True, True)
    code, out, err = cli(capsys, "engine", "restore", str(copy), str(again), "--json")
    assert (code, err) == (0, "")
    restored = json.loads(out)
    assert (restored["path"], restored["engine"]) == (str(again), Settings().engine_version)
    code, out, _ = cli(capsys, "engine", "inspect", str(again), "--json", "--verify")
    found = json.loads(out)
    assert (code, found["problems"], found["in_use"], found["format"], found["engine"]) == (0, [], False, 1, Settings().engine_version)
    assert found["log"]["last_position"] == restored["position"] == found["event_log"]["position"]
    assert 1 < found["log"]["first_position"] <= found["snapshots"][0]["position"] == restored["snapshot"]
    assert found["event_log"]["open_instances"] == 3
    assert found["bytes"] > 100_000
    code, out, _ = cli(capsys, "engine", "inspect", str(again), "--verify")
    assert code == 0
    assert "everything is as it was written" in out
    assert "3 open process instances" in out
    assert sorted(await instances(again)) == [0, 1, 2]
    assert names(tmp_path) == ["copy", "data", "deep"], "nothing is left lying about"


async def test_inspect_looks_at_a_killed_engines_folder_without_touching_it(data: Path, tmp_path: Path) -> None:
    async with EmbeddedEngine(data=data) as engine, gateway(engine.grpc_address) as stub:
        await start(stub, 7)
        assert inspect_folder(data)["in_use"]
        shutil.copytree(data, tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm"))
    found = inspect_folder(tmp_path / "killed", verify=True)
    assert (found["problems"], found["in_use"]) == ([], False)
    assert found["records_after_snapshot"] > 0
    assert 7 in await instances(tmp_path / "killed")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_damage_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(data / "log.db") as db:
        (low,) = db.execute("select max(low) from batches").fetchone()
        db.execute("update batches set crc = crc + 1 where low = ?", (low,))
    db.close()
    snapshot = max((data / "snapshots").glob("0*"))
    _flip(snapshot / "facts.json")
    assert inspect_folder(data)["problems"] == [], "nobody asked to read everything"
    code, out, _ = cli(capsys, "engine", "inspect", str(data), "--verify", "--json")
    problems = json.loads(out)["problems"]
    assert code == 1
    assert len(problems) == 2
    assert f"log.db is damaged at position {low}" in problems[0]
    assert f"{snapshot / 'facts.json'} is damaged" in problems[1]
    with pytest.raises(ReadModelError, match=f"is damaged at position {low}"):
        back_up(data, data.parent / "copy", silent)
    assert not (data.parent / "copy").exists()
    assert names(data.parent) == ["data"]


@pytest.mark.parametrize("name", ["log.db", "events.db", "engine.json", "backup.json"])
async def test_a_damaged_backup_is_refused(data: Path, tmp_path: Path, name: str) -> None:
    back_up(data, tmp_path / "copy", silent)
    _flip(tmp_path / "copy" / name)
    with pytest.raises(ConfigurationError, match=f"{name} (is not as it was written|cannot be read)"):
        restore(tmp_path / "copy", tmp_path / "again", silent)
    assert not (tmp_path / "again").exists()


def test_a_backup_with_a_file_missing_is_refused(tmp_path: Path, data: Path) -> None:
    back_up(data, tmp_path / "copy", silent)
    (tmp_path / "copy" / "log.db").unlink()
    with pytest.raises(ConfigurationError, match=r"log\.db is missing; use another one"):
        restore(tmp_path / "copy", tmp_path / "again", silent)


def test_what_is_in_the_way_stays(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["backup", str(data), str(data)], ["restore", str(data), str(data)]):
        code, _, err = cli(capsys, "engine", *command)
        assert code == 1
        assert err.startswith("error: ")
    back_up(data, tmp_path / "copy", silent)
    with pytest.raises(ConfigurationError, match="is there already: name a folder that is not, or an empty one"):
        restore(tmp_path / "copy", data, silent)
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "copy", tmp_path / "empty", silent)
    assert read_manifest(tmp_path / "empty")["format"] == 1


@pytest.mark.parametrize("command", ["backup", "inspect"])
def test_a_folder_that_is_no_engines_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    words = [str(tmp_path / "none"), str(tmp_path / "copy")][: 2 if command == "backup" else 1]
    code, out, err = cli(capsys, "engine", command, *words)
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / 'none'} is not an engine's folder: it has no engine.json\n"


async def test_a_second_process_and_an_unknown_format_are_told_clearly(data: Path) -> None:
    async with EmbeddedEngine(data=data):
        second = DurableProcess(data)
        await second.start()
        told = await second.errors()
        assert f"error: {data} is in use by another engine: stop that one, or choose another folder" in told
        assert "Traceback" not in told
    (data / MANIFEST).write_text(sealed(read_manifest(data) | {"format": 99}))
    other = DurableProcess(data)
    await other.start()
    told = await other.errors()
    assert f"error: {data} has format 99, this version reads 1" in told
    assert "Traceback" not in told
