"""Checkpoints that a time-stamping authority has seen (RFC 3161); the authority's answers are openssl's own."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from camunda_workers.cli.log_stamps import stamps_told
from camunda_workers.errors import ConfigurationError, ReadModelError
from camunda_workers.events import EventLog
from camunda_workers.events.chain.anchor import Anchor, StampReport, kept_stamp, verify_stamps
from camunda_workers.events.chain.notary import Notary
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.chain.offline import Wrong, check
from camunda_workers.events.chain.stamps import read_roots, request_stamp
from camunda_workers.events.export.bundle import export_case
from camunda_workers.events.export.proofs import export_log
from tests.support.recorded import PAID, recorded
from tests.support.tsa import TimeStampAuthority

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine: install openssl")

LINES = recorded("paid")
SIGNER = Signer("example.org/log", bytes(range(32)))
KEY = str(SIGNER.verifier)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[EventLog]:
    async with EventLog.open(tmp_path / "events.db") as opened:
        await opened.append(LINES)
        yield opened


class Ticking:
    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


async def stamped(log: EventLog, authority: TimeStampAuthority) -> StampReport:
    note = await Notary(log, SIGNER).sign()
    async with authority.serving() as address:
        await Anchor(log, address, read_roots(authority.ca)).stamp(await log.size(), note)
    return await verify_stamps(log, read_roots(authority.ca))


async def test_a_checkpoint_is_stamped_kept_and_checked(log: EventLog, authority: TimeStampAuthority, stranger: TimeStampAuthority) -> None:
    before = datetime.now(UTC)
    report = await stamped(log, authority)
    assert (report.stamps, report.size, report.trusted, report.problems) == (1, len(LINES), True, ())
    assert report.time is not None
    assert before - timedelta(seconds=1) <= report.time <= datetime.now(UTC) + timedelta(seconds=1)
    assert report.authority == "CN=camunda-workers test authority"
    assert len(stamps_told(report)) == 1
    report = await verify_stamps(log)
    assert (report.stamps, report.trusted, report.problems) == (1, False, ())
    assert "was not checked" in stamps_told(report)[1]
    report = await verify_stamps(log, read_roots(stranger.ca))
    assert (report.stamps, [problem.seq for problem in report.problems]) == (0, [len(LINES)])
    # The stranger goes by the same name: it is the key that tells.
    assert "not signed by an authority that is trusted: certificate signature failure" in report.problems[0].what


async def test_the_answer_that_is_kept_is_what_openssl_verifies(log: EventLog, authority: TimeStampAuthority, tmp_path: Path) -> None:
    await stamped(log, authority)
    answer = await kept_stamp(log, len(LINES))
    assert answer is not None
    (tmp_path / "c.tsr").write_bytes(answer)
    (tmp_path / "c.txt").write_text(await Notary(log, SIGNER).sign())
    words = ["openssl", "ts", "-verify", "-data", "c.txt", "-in", "c.tsr", "-CAfile", str(authority.ca)]
    done = await asyncio.to_thread(run, words, tmp_path)
    assert "Verification: OK" in done.stdout, done.stderr


@pytest.mark.parametrize("part", ["the moment", "the imprint", "the signature"])
async def test_a_bit_of_a_stamp_is_flipped(log: EventLog, authority: TimeStampAuthority, part: str) -> None:
    await stamped(log, authority)
    answer = bytearray(await kept_stamp(log, len(LINES)) or b"")
    info = answer.index(bytes.fromhex("060b2a864886f70d0109100104"))  # the type of what is signed
    at = {"the moment": answer.index(b"\x18", info) + 5, "the imprint": answer.index(bytes.fromhex("04 20"), info) + 2, "the signature": -9}
    answer[at[part]] ^= 1
    assert log.path is not None
    with sqlite3.connect(log.path) as connection:
        connection.execute("UPDATE timestamps SET response = ?", (bytes(answer),))
    connection.close()
    report = await verify_stamps(log, read_roots(authority.ca))
    assert [problem.seq for problem in report.problems] == [len(LINES)]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM checkpoints", "a checkpoint that is no longer there"),
        ("UPDATE checkpoints SET note = note || '— another AAAAAAAA' || char(10)", "of something else than this checkpoint"),
        ("UPDATE timestamps SET response = x'3003020102'", "is not good: the answer is not a time stamp"),
        ("UPDATE timestamps SET response = x'30053003020102'", r"the authority refused \(status 2"),
        ("UPDATE timestamps SET response = substr(response, 1, 900)", "is not a time stamp"),
    ],
)
async def test_what_does_not_belong_together(log: EventLog, authority: TimeStampAuthority, statement: str, what: str) -> None:
    await stamped(log, authority)
    assert log.path is not None
    with sqlite3.connect(log.path) as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()
    (problem,) = (await verify_stamps(log, read_roots(authority.ca))).problems
    assert re.search(what, problem.what)


async def test_a_later_checkpoint_was_not_stamped_earlier(log: EventLog, authority: TimeStampAuthority) -> None:
    """Somebody who took the log back and wrote it anew has stamps in the wrong order."""
    notary = Notary(log, SIGNER)
    note = await notary.sign()
    size = await log.size()
    await log.append(recorded()[len(LINES) :][:50])
    later = await notary.sign()
    async with authority.serving() as address:
        anchor = Anchor(log, address)
        await anchor.stamp(await log.size(), later)
        first = await verify_stamps(log)
        assert (first.stamps, first.problems) == (1, ())
        while first.time is not None and datetime.now(UTC) < first.time + timedelta(seconds=1):  # stamps are told apart by the second
            await asyncio.sleep(0.02)
        await anchor.stamp(size, note)
    (problem,) = (await verify_stamps(log)).problems
    assert (problem.seq, f"but that of {size} says" in problem.what) == (size + 50, True)


GARBAGE: dict[str, tuple[tuple[int, str, bytes], str]] = {
    "a page": ((200, "text/html", b"<html>"), "answers with 'text/html.*', not with a time stamp"),
    "an error": ((503, "text/plain", b"later"), "answers with HTTP status 503"),
    "elsewhere": ((302, "text/plain", b""), "answers with HTTP status 302"),
    "nothing": ((200, "application/timestamp-reply", b""), "the answer is not a time stamp"),
    "a refusal": ((200, "application/timestamp-reply", bytes.fromhex("30053003020102")), "refused .status 2: no reason was given"),
    "granted, without": ((200, "application/timestamp-reply", bytes.fromhex("30053003020100")), "not a whole time stamp"),
    "without end": ((200, "application/timestamp-reply", bytes(300_000)), "sends more than 256 KB"),
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_an_authority_that_answers_badly(
    log: EventLog, tmp_path: Path, caplog: pytest.LogCaptureFixture, authority: TimeStampAuthority, case: str
) -> None:
    note = await Notary(log, SIGNER).sign()
    authority.answer, said = GARBAGE[case]
    clock = Ticking()
    try:
        async with authority.serving() as address:
            anchor = Anchor(log, address, every=3600, clock=clock)
            with pytest.raises(ReadModelError, match=said):
                await anchor.stamp(len(LINES), note)
            with caplog.at_level(logging.WARNING):
                assert await anchor.catch_up() == 0
            assert "has no time stamp yet, it is tried again in 60 s" in caplog.text
            authority.answer = None
            asked = len(authority.asked)
            assert (await anchor.catch_up(), len(authority.asked)) == (0, asked), "it is not asked again at once"
            clock.at += timedelta(seconds=61)
            assert await anchor.catch_up() == 1
    finally:
        authority.answer = None
    assert (await verify_stamps(log, read_roots(authority.ca))).stamps == 1


async def test_an_answer_to_somebody_else(log: EventLog, authority: TimeStampAuthority) -> None:
    note = await Notary(log, SIGNER).sign()
    other, _ = request_stamp("another note\n")
    replayed, _ = request_stamp(note)
    async with authority.serving() as address:
        anchor = Anchor(log, address)
        try:
            for request, said in ((other, "of something else than this checkpoint"), (replayed, "answers another request")):
                authority.answer = (200, "application/timestamp-reply", authority.stamp(request))
                with pytest.raises(ReadModelError, match=said):
                    await anchor.stamp(len(LINES), note)
        finally:
            authority.answer = None
    assert await kept_stamp(log, len(LINES)) is None


async def test_a_certificate_that_is_not_for_stamps(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):  # openssl itself refuses to be such an authority
        TimeStampAuthority(tmp_path / "web", purpose=ExtendedKeyUsageOID.SERVER_AUTH).stamp(b"")


async def test_nobody_is_there(log: EventLog) -> None:
    note = await Notary(log, SIGNER).sign()
    with pytest.raises(ReadModelError, match=r"http://127.0.0.1:9/tsr cannot be reached"):
        await Anchor(log, "http://user:secret@127.0.0.1:9/tsr").stamp(len(LINES), note)
    with pytest.raises(ConfigurationError, match="CAMUNDA_WORKERS_TSA_URL"):
        Anchor(log, "tsa.example.org")


async def test_stamps_are_asked_for_on_an_interval(log: EventLog, authority: TimeStampAuthority) -> None:
    clock = Ticking()
    async with authority.serving() as address:
        anchor = Anchor(log, address, every=3600, clock=clock)
        notary = Notary(log, SIGNER, anchor=anchor)
        await notary.stamp()
        assert await kept_stamp(log, 0) is None, "nothing was signed yet"
        await notary.sign()
        await notary.stamp()
        assert await kept_stamp(log, len(LINES)) is not None
        await log.append(recorded()[len(LINES) :][:5])
        await notary.sign()
        await notary.stamp()
        assert await kept_stamp(log, len(LINES) + 5) is None, "not every checkpoint"
        clock.at -= timedelta(days=400)  # a clock that was set back does not keep it from being asked for ever
        await notary.stamp()
        assert await kept_stamp(log, len(LINES) + 5) is not None


async def test_exports_take_the_stamp_along(
    log: EventLog, authority: TimeStampAuthority, stranger: TimeStampAuthority, tmp_path: Path
) -> None:
    note = await Notary(log, SIGNER).sign()
    size = await log.size()
    async with authority.serving() as address:
        anchor = Anchor(log, address)
        await export_case(log, PAID, tmp_path / "case.zip", SIGNER, anchor=anchor)
    await export_log(log, tmp_path / "log.zip", note, size, stamp=await kept_stamp(log, size))
    for name in ("case.zip", "log.zip"):
        path = tmp_path / name
        assert any("who signed that was not checked" in line for line in check(str(path), KEY))
        assert any("signed by one that ca.pem stands for" in line for line in check(str(path), KEY, str(authority.ca)))
        with pytest.raises(Wrong, match="not signed by an authority"):
            check(str(path), KEY, str(stranger.ca))
    stamp = await kept_stamp(log, size) or b""
    imprint = sha256(note.encode()).digest()
    for change, said in (
        (stamp.replace(imprint, bytes(32)), "something else than checkpoint"),
        (stamp[:700], "cut off"),
        (bytes.fromhex("30053003020102"), "not a time stamp"),
        (b"", "not a time stamp"),
    ):
        with_file(tmp_path / "log.zip", "checkpoint.tsr", change)
        with pytest.raises(Wrong, match=said):
            check(str(tmp_path / "log.zip"), KEY)


async def test_the_verifier_in_the_export_checks_it_alone(log: EventLog, authority: TimeStampAuthority, tmp_path: Path) -> None:
    note = await Notary(log, SIGNER).sign()
    async with authority.serving() as address:
        await Anchor(log, address).stamp(len(LINES), note)
    await export_log(log, tmp_path / "log.zip", note, len(LINES), stamp=await kept_stamp(log, len(LINES)))
    with zipfile.ZipFile(tmp_path / "log.zip") as bundle:
        bundle.extract("verify.py", tmp_path)
    words = [sys.executable, "-I", "verify.py", "log.zip", KEY, str(authority.ca)]
    done = await asyncio.to_thread(run, words, tmp_path)
    assert (done.returncode, "a time-stamping authority saw the checkpoint on" in done.stdout) == (0, True), done.stdout + done.stderr


def with_file(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as bundle:
        files = {one: bundle.read(one) for one in bundle.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w") as bundle:
        for one, data in files.items():
            bundle.writestr(one, data)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


async def command(*words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, [sys.executable, "-m", "camunda_workers", *words], Path.cwd())


async def test_the_commands(log: EventLog, authority: TimeStampAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with authority.serving() as address:
        monkeypatch.setenv("CAMUNDA_WORKERS_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("CAMUNDA_WORKERS_TSA_URL", address)
        kept = tmp_path / "kept.txt"
        done = await command("log", "checkpoint", "-o", str(kept))
        assert done.returncode == 0, done.stderr
        assert kept.with_suffix(".tsr").stat().st_size > 500
        done = await command("log", "verify", "--tsa-ca", str(authority.ca))
        assert (done.returncode, f"time-stamped: 1 time stamp; {len(LINES)} records were there on" in done.stdout) == (0, True), done
        done = await command("log", "verify", "--json")
        assert [json.loads(done.stdout)[name] for name in ("good", "timeStamps", "timeStampsTrusted")] == [True, 1, False]
    await log.append(recorded()[len(LINES) :][:5])
    done = await command("log", "checkpoint")
    assert (done.returncode, "cannot be reached" in done.stderr) == (1, True), done
    done = await command("log", "export", str(tmp_path / "log.zip"))
    assert (done.returncode, "not time-stamped: " in done.stderr) == (0, True), done
