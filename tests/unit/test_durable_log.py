"""The durable engine's log file: what is written comes back whole and in order, or is refused with its place."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.durable.log_file import Batch, LogFile, Mark
from camunda_workers.errors import ReadModelError


def batches(first: int, count: int, size: int = 3, fill: int = 40) -> list[Batch]:
    """Batches of ``size`` records each, whose bytes tell them apart."""
    return [Batch(low, low + size - 1, f"batch {low} ".encode() * fill) for low in range(first, first + count * size, size)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def written(path: Path, count: int = 20) -> Path:
    log = LogFile(path)
    for batch in batches(1, count):
        log.append([batch])
    log.close()
    return path


def change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement, values)
    db.close()


def everything(log: LogFile) -> list[Batch]:
    found: list[Batch] = []
    while some := log.read(found[-1].high + 1 if found else 0):
        found.extend(some)
    return found


def test_what_was_appended_is_there_when_it_is_opened_again(path: Path) -> None:
    written(path)
    log = LogFile(path)
    assert (log.first_position(), log.committed) == (1, 60)
    assert everything(log) == batches(1, 20)
    assert list(log.verify())[-1] == 60
    log.close()


def test_an_empty_log_is_at_zero_and_has_nothing_to_verify(path: Path) -> None:
    log = LogFile(path)
    assert (log.first_position(), log.committed, log.read(0), list(log.verify())) == (0, 0, [], [])
    log.close()


def test_reading_begins_with_the_batch_that_holds_the_position(path: Path) -> None:
    log = LogFile(written(path))
    assert [log.read(position)[0].low for position in (1, 3, 4, 5, 60)] == [1, 1, 4, 4, 58]
    assert log.read(61) == []
    log.close()


def test_large_batches_are_read_a_few_at_a_time(path: Path) -> None:
    log = LogFile(path)
    large = [Batch(number, number, bytes(400_000)) for number in range(1, 11)]
    log.append(large)
    assert len(log.read(1)) == 3
    assert everything(log) == large
    log.close()


def test_a_group_is_appended_whole_or_not_at_all(path: Path) -> None:
    log = LogFile(path)
    log.append(batches(1, 2))
    with pytest.raises(sqlite3.IntegrityError):
        log.append([*batches(7, 1), *batches(1, 1)])
    assert log.committed == 6
    assert everything(log) == batches(1, 2)
    log.append(batches(7, 1))
    assert log.committed == 9
    log.close()


def test_cleaning_keeps_the_batch_that_holds_the_position_and_gives_room_back(path: Path) -> None:
    log = LogFile(path)
    for start in range(1, 3001, 300):
        log.append(batches(start, 100, fill=400))
    before = path.stat().st_size
    rounds = 1
    while log.delete_some_below(2900):
        rounds += 1
    assert rounds == 5
    assert log.first_position() == 2899
    assert log.read(0)[0].low == 2899
    assert list(log.verify())[-1] == 3000
    log.close()
    assert path.stat().st_size < before / 2


def test_a_log_can_be_looked_at_while_it_is_written(path: Path) -> None:
    log = LogFile(path)
    log.append(batches(1, 2))
    looking = LogFile(path, writable=False)
    assert looking.committed == 6
    log.append(batches(7, 2))
    assert [batch.low for batch in looking.read(1)] == [1, 4, 7, 10]
    looking.close()
    log.close()


@pytest.mark.parametrize("position", [1, 28, 58])
def test_a_changed_bit_is_named(path: Path, position: int) -> None:
    written(path)
    change(path, "update batches set data = cast(replace(cast(data as text), 'a', 'c') as blob) where low = ?", position)
    log = LogFile(path)
    with pytest.raises(ReadModelError, match=f"log.db is damaged at position {position}: restore the folder from a backup"):
        list(log.verify())
    log.close()


def test_changed_positions_are_noticed_too(path: Path) -> None:
    written(path)
    change(path, "update batches set high = high + 1 where low = 28")
    log = LogFile(path)
    with pytest.raises(ReadModelError, match="is damaged at position 28"):
        log.read(28)
    log.close()


@pytest.mark.parametrize(("lows", "lost"), [([28], "28 to 30"), ([28, 31, 34], "28 to 36")])
def test_missing_records_are_named(path: Path, lows: list[int], lost: str) -> None:
    written(path)
    for low in lows:
        change(path, "delete from batches where low = ?", low)
    log = LogFile(path)
    with pytest.raises(ReadModelError, match=f"has lost the records {lost}"):
        list(log.verify())
    with pytest.raises(ReadModelError, match=f"has lost the records {lost}"):
        list(log.verify(lows[0]))
    assert log.read(20)[-1].high == 27, "what is before it can be read"
    log.close()


def test_a_log_that_lost_its_end_is_refused(path: Path) -> None:
    written(path)
    change(path, "delete from batches where low >= 55")
    with pytest.raises(ReadModelError, match=r"ends at position 54, but 60 was acknowledged: restore .* or remove .*log\.mark"):
        LogFile(path)
    path.with_suffix(".mark").unlink()
    log = LogFile(path)
    assert log.committed == 54
    log.close()


def test_a_bit_in_the_write_ahead_log_that_hides_what_follows_is_noticed(path: Path, tmp_path: Path) -> None:
    """SQLite itself takes such a file for one that was cut off by a crash, and goes on without a word."""
    log = LogFile(path)
    for batch in batches(1, 20):
        log.append([batch])
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("log.db", "log.db-wal", "log.mark"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    log.close()
    wal = bytearray((copy / "log.db-wal").read_bytes())
    wal[len(wal) // 2] ^= 1
    (copy / "log.db-wal").write_bytes(wal)
    with pytest.raises(ReadModelError, match="but 60 was acknowledged"):
        LogFile(copy / "log.db")


def test_what_a_crash_cut_off_before_it_was_acknowledged_is_left_out(path: Path, tmp_path: Path) -> None:
    log = LogFile(path)
    for batch in batches(1, 20):
        log.append([batch])
    before = path.with_suffix(".mark").read_bytes()
    log.append(batches(61, 5, fill=4000))
    copy = tmp_path / "copy"
    copy.mkdir()
    wal = (tmp_path / "log.db-wal").read_bytes()
    (copy / "log.db").write_bytes(path.read_bytes())
    (copy / "log.db-wal").write_bytes(wal[:-5000])
    (copy / "log.mark").write_bytes(before)
    log.close()
    torn = LogFile(copy / "log.db")
    assert torn.committed == 60
    assert everything(torn) == batches(1, 20)
    torn.append(batches(61, 1))
    assert list(torn.verify())[-1] == 63
    torn.close()


@pytest.mark.parametrize("content", [b"this is not a database at all " * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_file_that_is_no_log_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ReadModelError, match=r"log\.db cannot be opened .*: restore the folder from a backup"):
        LogFile(path)


def test_the_mark_is_believed_only_when_it_is_whole(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "log.mark")
    assert mark.read() == 0
    for position in (7, 123_456_789_012, 8):
        mark.write(position)
        assert mark.read() == position
    mark.close()
    text = mark.path.read_bytes()
    for damaged in (text[:-4], b"", text.replace(b"8 ", b"9 ", 1), b"no mark"):
        mark.path.write_bytes(damaged)
        assert mark.read() == 0


def test_every_commit_is_synced(path: Path) -> None:
    """A killed process cannot show this, only a power cut could: so at least what SQLite was told is checked."""
    log = LogFile(path)
    writer = log._writer  # pyright: ignore[reportPrivateUsage]
    assert writer is not None
    assert writer.execute("pragma journal_mode").fetchone() == ("wal",)
    assert writer.execute("pragma synchronous").fetchone() == (2,)  # FULL: the write-ahead log is synced at every commit
    log.close()
