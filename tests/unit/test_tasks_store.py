"""The task store: what is ours about tasks survives, and two who write at once do not overwrite each other unseen."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camunda_workers.errors import ConfigurationError, InvalidArgument, NotFound, ReadModelError
from camunda_workers.tasks import FileRefused, Outdated, TaskStore
from camunda_workers.tasks.duties import Fact, Vote
from camunda_workers.tasks.store.attachments import Attachments, safe_name
from camunda_workers.tasks.store.comments import mentioned

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PDF = b"%PDF-1.7 hello"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[TaskStore]:
    async with TaskStore(tmp_path / "tasks.db") as opened:
        yield opened


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return buffer.getvalue()


async def test_two_tabs_save_a_draft_and_one_is_told(store: TaskStore) -> None:
    saved = await asyncio.gather(*(store.drafts.save(1, "ada", {"tab": tab}, NOW, revision=0) for tab in range(4)), return_exceptions=True)
    assert sorted(one for one in saved if isinstance(one, int)) == [1]
    assert all(isinstance(one, int | Outdated) for one in saved)
    assert await store.drafts.save(1, "ada", {"tab": 9}, NOW) == 2
    assert await store.drafts.save(1, "bob", {}, NOW, revision=0) == 1
    draft = await store.drafts.get(1, "ada")
    assert draft is not None
    assert (draft.variables, draft.revision, draft.saved_at) == ({"tab": 9}, 2, NOW)
    await store.drafts.forget(1)
    assert await store.drafts.get(1, "ada") is None


async def test_the_store_is_on_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "below" / "tasks.db"
    async with TaskStore(file) as first:
        await first.comments.add(1, 2, "ada", "  hello @bob ", NOW)
    async with TaskStore(file) as again:
        (one,) = await again.comments.of(1)
        assert (one.text, one.mentions, one.written_at) == ("hello @bob", ["bob"], NOW)
    file.write_bytes(b"not a database, and long enough for SQLite to look at it" * 100)
    with pytest.raises(ReadModelError, match="task store"):
        async with TaskStore(file):
            pass


def test_mentions_are_people_and_not_addresses() -> None:
    assert mentioned("@ada, ask @bob.b! not eve@x.example, @@, @ada again; (@cleo)") == ["ada", "bob.b", "cleo"]


@pytest.mark.parametrize("text", ["", " \n", "x" * 10_001])
async def test_a_comment_has_something_to_say(store: TaskStore, text: str) -> None:
    with pytest.raises(InvalidArgument):
        await store.comments.add(1, None, "ada", text, NOW)


async def test_an_absence_has_a_beginning_and_an_end(store: TaskStore) -> None:
    day = timedelta(days=1)
    with pytest.raises(InvalidArgument):
        await store.delegations.add_absence("ada", "bob", NOW, NOW, note="", entered_by="ada")
    number = await store.delegations.add_absence("ada", "bob", NOW, NOW + day, note="", entered_by="ada")
    ask = store.delegations.substitute_of
    assert [await ask("ada", when) for when in (NOW - day, NOW, NOW + day)] == [None, "bob", None]
    assert len(await store.delegations.absences(NOW, about="bob")) == 1
    assert await store.delegations.absences(NOW + 2 * day) == []
    await store.delegations.cancel_absence(number, NOW)
    assert await ask("ada", NOW) is None
    with pytest.raises(NotFound):
        await store.delegations.cancel_absence(number, NOW)


async def test_a_later_approval_of_one_person_takes_the_place_of_the_first(store: TaskStore) -> None:
    for outcome in ("reject", "approve"):
        await store.ledger.vote(Vote("claim", "approve", 10, "bob", {"outcome": outcome}), 7, NOW)
    assert await store.ledger.votes([7]) == [Vote("claim", "approve", 10, "bob", {"outcome": "approve"})]
    assert await store.ledger.votes([8]) == []


async def test_facts_are_kept_in_order(store: TaskStore) -> None:
    for kind in ("a", "b"):
        await store.ledger.record(Fact(kind, NOW, "ada", {"x": [1]}, 10, 7, "CLM-1"))
    assert [fact.kind for fact in await store.ledger.facts(10)] == ["a", "b"]
    assert await store.ledger.facts(10, kind="b") == [Fact("b", NOW, "ada", {"x": [1]}, 10, 7, "CLM-1")]


async def test_a_file_is_kept_by_its_content(store: TaskStore, tmp_path: Path) -> None:
    one = await store.attachments.add(1, 7, "ada", "../../etc/in\u202evoice.pdf", "application/pdf", pieces(PDF[:5], PDF[5:]), NOW)
    two = await store.attachments.add(2, 7, "bob", "same.pdf", "application/pdf", pieces(PDF), NOW)
    assert (one.name, one.size, one.sha256 == two.sha256) == ("invoice.pdf", len(PDF), True)
    assert one.reference()["metadata"] == {"fileName": "invoice.pdf", "contentType": "application/pdf", "size": len(PDF)}
    assert await store.attachments.get(one.id, [7]) == one
    assert store.attachments.read(one) == PDF
    with pytest.raises(NotFound):
        await store.attachments.get(one.id, [8])
    assert [item.id for item in await store.attachments.of(1)] == [one.id]
    assert {item.id for item in await store.attachments.of(1, 7)} == {one.id, two.id}
    assert len([file for file in (tmp_path / "attachments").rglob("*") if file.is_file()]) == 1


REFUSED = [
    ("a.pdf", "application/pdf", b"MZ\x90\x00 program", "something else"),
    ("a.exe", "application/pdf", PDF, "is not called so"),
    ("a.html", "text/html", b"<script>", "not taken"),
    ("a.svg", "image/svg+xml", b"<svg onload=alert(1)>", "not taken"),
    ("a.txt", "text/plain", b"\x00\x01", "no text"),
    ("a.pdf", "application/pdf", b"", "empty"),
    ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04 broken", "archive"),
    ("bomb.zip", "application/zip", archive(zeros=bytes(30_000_000)), "far more"),
    ("many.zip", "application/zip", archive(**{f"f{number}": b"x" for number in range(5_001)}), "far more"),
]


@pytest.mark.parametrize(("name", "kind", "content", "words"), REFUSED, ids=[name for name, *_ in REFUSED])
async def test_a_file_that_is_not_taken_leaves_nothing_behind(
    store: TaskStore, tmp_path: Path, name: str, kind: str, content: bytes, words: str
) -> None:
    with pytest.raises(FileRefused, match=words):
        await store.attachments.add(1, 7, "ada", name, kind, pieces(content), NOW)
    assert [file for file in (tmp_path / "attachments").rglob("*") if file.is_file()] == []
    assert await store.attachments.of(1, 7) == []


async def test_a_large_file_is_refused_while_it_comes(store: TaskStore, tmp_path: Path) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"%PDF-" + bytes(1000)

    small = Attachments(store.database, tmp_path / "files", largest=10_000)
    with pytest.raises(FileRefused, match="larger than"):
        await small.add(1, 7, "ada", "a.pdf", "application/pdf", endless(), NOW)
    assert read <= 11
    assert list((tmp_path / "files").iterdir()) == []
    with pytest.raises(ConfigurationError, match="no folder"):
        await Attachments(store.database, None).add(1, 7, "ada", "a.pdf", "application/pdf", pieces(PDF), NOW)


def test_names_of_files_are_only_names() -> None:
    assert [safe_name(name) for name in ("C:\\x\\y.pdf", "..", "", "a/\x00b.txt", "x" * 300)] == [
        "y.pdf",
        "file",
        "file",
        "b.txt",
        "x" * 150,
    ]
