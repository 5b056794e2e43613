"""The log that an embedded engine writes on disk is signed meanwhile, and can be verified and exported like any other."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from camunda_workers.engine.embedded.durable.backup import back_up, restore
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.events import EventLog
from camunda_workers.events.chain.notary import latest_checkpoint
from camunda_workers.events.chain.note import Verifier
from camunda_workers.events.chain.offline import check
from camunda_workers.events.chain.verify import Report, verify_log
from camunda_workers.events.export.proofs import export_log
from camunda_workers.settings import Settings
from tests.support.durable_engine import deploy, start
from tests.support.tsa import TimeStampAuthority

pytestmark = pytest.mark.engine


async def verified(folder: Path) -> Report:
    key = Verifier.parse((folder / "events.pub").read_text())
    async with EventLog.open(folder / "events.db") as log:
        return await verify_log(log, [key])


async def test_it_is_signed_while_it_runs_and_when_it_stops(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(sign_seconds=0.05)
    async with EmbeddedEngine(data=data, settings=settings) as engine:
        await deploy(engine)
        await start(engine, 2)
        assert engine.event_log is not None
        async with asyncio.timeout(20):
            while await latest_checkpoint(engine.event_log) is None:
                await asyncio.sleep(0.02)
        await start(engine, 1)
    assert (data / "events.key").stat().st_mode & 0o077 == 0
    first = await verified(data)
    assert first.good
    assert first.size > 20
    assert (first.signed_to, first.checkpoints >= 2) == (first.size, True)

    async with EmbeddedEngine(data=data, settings=Settings()) as engine:  # the interval does not come round: the end signs
        await start(engine, 1)
    second = await verified(data)
    assert (second.good, second.signed_to, second.size > first.size) == (True, second.size, True)
    assert second.checkpoints == first.checkpoints + 1

    async with EventLog.open(data / "events.db") as log:
        note = await latest_checkpoint(log)
        assert note is not None
        await export_log(log, tmp_path / "log.zip", note, second.size)
    assert any(
        f"{second.size} records are what was signed" in line for line in check(str(tmp_path / "log.zip"), (data / "events.pub").read_text())
    )


async def test_somebody_who_alters_it_is_found_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
        await start(engine, 1)
    with sqlite3.connect(data / "events.db") as connection:
        connection.execute("DROP TRIGGER records_refuse_update")
        connection.execute("UPDATE records SET intent = 'ELEMENT_COMPLETED' WHERE seq = 7")
    connection.close()
    assert (await verified(data)).problems[0].seq == 7


async def test_a_log_that_was_given_is_signed_unless_told_otherwise(tmp_path: Path) -> None:
    for folder, settings in (("signed", Settings()), ("not", Settings(sign_log=False))):
        async with EventLog.open(tmp_path / folder / "events.db") as log, EmbeddedEngine(log=log, settings=settings) as engine:
            await deploy(engine)
    assert (await verified(tmp_path / "signed")).signed_to > 0
    assert sorted(path.name for path in (tmp_path / "not").iterdir()) == ["events.db"]
    async with EventLog.open() as log, EmbeddedEngine(log=log) as engine:
        await deploy(engine)
        await engine.read_model()
        assert await latest_checkpoint(log) is None


async def test_a_backup_goes_on_with_the_same_key(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
    back_up(data, tmp_path / "backup", lambda _: None)
    restore(tmp_path / "backup", copy, lambda _: None)
    assert (copy / "events.key").stat().st_mode & 0o077 == 0
    async with EmbeddedEngine(data=copy) as engine:
        await start(engine, 1)
    report = await verified(copy)
    assert (report.good, report.checkpoints, report.signed_to) == (True, 2, report.size)


async def test_an_authority_stamps_it_and_one_that_is_not_there_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = TimeStampAuthority(tmp_path / "tsa")
    from camunda_workers.events.chain.anchor import verify_stamps
    from camunda_workers.events.chain.stamps import read_roots

    async with authority.serving() as address:
        settings = Settings(sign_seconds=0.05, tsa_url=SecretStr(address), tsa_ca=authority.ca)
        async with EmbeddedEngine(data=tmp_path / "data", settings=settings) as engine:
            await deploy(engine)
            assert engine.event_log is not None
            async with asyncio.timeout(20):
                while not (report := await verify_stamps(engine.event_log, read_roots(authority.ca))).stamps:
                    await asyncio.sleep(0.02)
            assert (report.problems, report.trusted) == ((), True)
    settings = Settings(sign_seconds=0.05, tsa_url=SecretStr("http://127.0.0.1:9/tsr"))
    async with EmbeddedEngine(data=tmp_path / "alone", settings=settings) as engine:
        await deploy(engine)
        async with asyncio.timeout(20):
            while "cannot be reached" not in caplog.text:
                await asyncio.sleep(0.02)
    assert (await verified(tmp_path / "alone")).signed_to > 0


async def test_a_command_beside_a_running_engine_takes_nothing_away(tmp_path: Path) -> None:
    """Whoever opens and closes the log last tidies up behind SQLite: a running engine must still count as one who has it open."""
    data = tmp_path / "data"
    look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('SELECT max(position) FROM records').fetchone()[0]); c.close()"

    async def seen() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", look, os.fspath(data / "events.db"), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return int(out)

    async with EmbeddedEngine(data=data, snapshot_interval=0.1, settings=Settings(sign_seconds=0.05)) as engine:
        await deploy(engine)
        for _ in range(3):
            await start(engine, 3)
            await engine.read_model()
            assert engine.event_log is not None
            await engine._follower.exported()  # pyright: ignore[reportPrivateUsage]  # what a snapshot asks for
            assert await seen() == await engine.event_log.position()
            assert (data / "events.db-wal").exists()


def test_the_key_is_what_the_command_line_finds(tmp_path: Path) -> None:
    async def run() -> None:
        async with EmbeddedEngine(data=tmp_path) as engine:
            await deploy(engine)

    asyncio.run(run())
    command = [sys.executable, "-m", "camunda_workers", "log", "verify", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "signed: 1 checkpoints up to" in done.stdout) == (0, True), done.stdout + done.stderr
