"""Why a task is here, end to end: a document in the engine's store, an agent that quotes it, and the inbox that shows where. The model is a scripted fake."""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ai_tasks.claim_triage.task import triage_router
from camunda_workers.ai.reading import read_pages
from camunda_workers.client import DocumentMetadata, DocumentReference, UserTask
from camunda_workers.errors import InvalidArgument, NotFound, NotSupported
from camunda_workers.inbox.pages.documents import marked
from camunda_workers.inbox.views.advice import Quote
from camunda_workers.settings import AiSettings
from camunda_workers.tasks.documents import EngineShelf, documents_of
from tests.support.inbox_ground import Inbox, inbox
from tests.support.openai_server import FAKE, Answer, fake_openai
from tests.support.tasks_ground import claim, person

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")]

LETTER = """Robin Doe, 1 Elm Street
I parked the car at night and <b>nobody</b> saw what happened.
The other driver had already
left the scene when I came back. The repair costs 25,000 dollars.
"""
SAID: dict[str, Any] = {
    "route": "investigate",
    "confidence": 0.82,
    "rationale": "There is no witness, and the other driver cannot be found.",
    "cited_fields": ["claim.witnesses", "claim.incident_severity"],
    "quotes": [
        {"document": "document-1", "text": "The other driver had already left the scene when I came back."},
        {"document": "document-1", "text": "I parked the car at night and <b>nobody</b> saw what happened."},
    ],
    "would_change": [{"path": "claim.police_report", "to": "NO", "route": "straight_through"}],
}


@asynccontextmanager
async def served(folder: Path, said: dict[str, Any]) -> AsyncGenerator[Inbox]:
    async with fake_openai(Answer(said)) as fake:
        settings = AiSettings(ai_base_url=fake.base_url, ai_model=FAKE, ai_api_key=SecretStr("none"))
        async with inbox(folder, agent=triage_router(settings)) as site:
            yield site


async def triaged(site: Inbox, content: bytes = LETTER.encode(), kind: str = "text/plain", name: str = "letter.txt") -> UserTask:
    """A claim that came with a document, at its assessor's."""
    client, ground = site.ground.client, site.ground
    reference = await client.create_document(content, file_name=name, content_type=kind)
    ground.number += 1
    claim_id = f"CLM-{ground.number:06d}"
    variables = {"claim": claim(claim_id, amount=25_000), "claim_documents": [reference.as_variable()]}
    await client.start("claim", variables, business_id=claim_id)
    return await ground.task(claim_id, "assess-claim")


async def test_from_the_document_to_its_marked_passage(tmp_path: Path) -> None:
    async with served(tmp_path, SAID) as site:
        task = await triaged(site)
        async with await site.signed_in("amelia") as amelia:
            page = html.unescape((await amelia.get(f"/tasks/{task.key}")).text)
            assert "82 % sure" in page
            assert "The other driver had already left the scene when I came back." in page
            assert "If “Police report” were no instead of yes: Pay straight through" in page
            assert "<b>nobody</b>" not in (await amelia.get(f"/tasks/{task.key}")).text
            [first, second] = re.findall(rf'href="(/tasks/{task.key}/files/[^"]+/read)#(quote-\d)"', page)
            assert (first[0], first[1], second[1]) == (second[0], "quote-1", "quote-2")
            text = (await amelia.get(first[0])).text
            marks = dict(re.findall(r'<mark id="(quote-\d)">(.*?)</mark>', text))
            assert marks["quote-1"] == "The other driver had already<br>left the scene when I came back."
            assert marks["quote-2"] == "I parked the car at night and &lt;b&gt;nobody&lt;/b&gt; saw what happened."
            assert "Robin Doe, 1 Elm Street" in text, "who works on the claim sees what the model did not"
            # The document itself, for saving; and for nobody who has no part in it.
            got = await amelia.get(first[0].removesuffix("/read"))
            assert got.content == LETTER.encode()
            case = (await site.ground.tasks.show(person("amelia"), task.key)).business_id
            listed = (await amelia.get(f"/cases/{case}")).text
            in_case = re.search(rf'href="(/cases/{case}/files/[^"]+/read)"', listed)
            assert in_case is not None
            assert '<mark id="quote-1">' in (await amelia.get(in_case[1])).text
            async with await site.signed_in("zoe") as zoe:
                assert (await zoe.get(first[0])).status_code == 403
                assert (await zoe.get(in_case[1])).status_code == 404
            assert (await amelia.get(f"/tasks/{task.key}/files/d-nothing/read")).status_code == 404
            # And she has the last word, with a reason.
            await site.ground.tasks.claim(person("amelia"), task.key)
            done = await amelia.post(f"/tasks/{task.key}/advice", {"verdict": "override", "reason": "facts-missing"})
            assert "Facts are missing" in done.text
            assert "quote-1" in done.text
        read = [fact for fact in await site.parts.tasks.store.ledger.facts(task.key) if fact.kind == "task.attachment-read"]
        assert {fact.actor for fact in read} == {"amelia"}


async def test_an_invented_quote_is_told_and_not_shown(tmp_path: Path) -> None:
    said = {
        **SAID,
        "quotes": [{"document": "document-1", "text": "I did it for the money."}],
        "route": "straight_through",
        "would_change": [],
    }
    async with served(tmp_path, said) as site:
        task = await triaged(site)
        async with await site.signed_in("amelia") as amelia:
            page = html.unescape((await amelia.get(f"/tasks/{task.key}")).text)
        assert "1 more quotes of the agent are in none of the documents" in page
        assert "it quotes what is in no document (1 of 1 quotes)" in page
        advised = page[page.index('id="advice"') : page.index("</section>", page.index('id="advice"'))]
        assert "for the money" not in advised


async def test_without_a_model_the_places_are_computed(tmp_path: Path) -> None:
    letter = b"It was a Major Damage, says the garage. The repair costs 25,000 dollars."
    async with inbox(tmp_path, agent=triage_router(AiSettings.model_construct())) as site:
        task = await triaged(site, letter)
        found = (await site.ground.tasks.show(person("amelia"), task.key)).variables["triage"]
        assert found["strategy"] == "retrieval"
        assert [one["quote"] for one in found["evidence"]["quotes"]] == [
            "It was a Major Damage, says the garage.",
            "The repair costs 25,000 dollars.",
        ]
        assert {one["source"] for one in found["evidence"]["quotes"]} == {"computed"}
        async with await site.signed_in("amelia") as amelia:
            page = html.unescape((await amelia.get(f"/tasks/{task.key}")).text)
        assert "instead of Major Damage" in page


async def test_a_document_that_is_not_there_or_not_readable_stops_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, {**SAID, "quotes": []}) as site:
        gone = DocumentReference(store_id="in-memory", document_id="gone", content_hash="00", metadata=DocumentMetadata(file_name="x.txt"))
        image = await site.ground.client.create_document(b"\x89PNG\r\n\x1a\n", file_name="a.png", content_type="image/png")
        variables = {"claim": claim("CLM-000077"), "claim_documents": [gone.as_variable(), image.as_variable()]}
        await site.ground.client.start("claim", variables, business_id="CLM-000077")
        task = await site.ground.task("CLM-000077", "assess-claim")
        found = (await site.ground.tasks.show(person("amelia"), task.key)).variables["triage"]
        assert found["evidence"]["documents"] == []
        async with await site.signed_in("amelia") as amelia:
            page = (await amelia.get(f"/tasks/{task.key}")).text
            links = re.findall(rf'href="(/tasks/{task.key}/files/[^"/]+)" download>([^<]+)<', page)
            assert [name for _, name in links] == ["x.txt", "a.png"]
            assert (await amelia.get(links[0][0])).status_code == 404
            assert "cannot be shown as text" in (await amelia.get(f"{links[1][0]}/read")).text


async def test_what_is_uploaded_here_is_a_document_of_the_engine(tmp_path: Path) -> None:
    async with inbox(tmp_path) as site:
        task = await site.ground.task(await site.ground.reported(), "assess-claim")
        await site.ground.tasks.claim(person("amelia"), task.key)
        async with await site.signed_in("amelia") as amelia:
            headers = {"Content-Type": "text/plain", "X-File-Name": "note.txt", "X-CSRF-Token": amelia.csrf}
            answer = (await amelia.http.post(f"/tasks/{task.key}/files", content=b"all is well", headers=headers)).json()
            reference = DocumentReference.model_validate(answer["reference"])
            assert await site.ground.client.get_document(reference) == b"all is well"
            assert (reference.metadata.file_name, reference.metadata.content_type, reference.metadata.size) == (
                "note.txt",
                "text/plain",
                11,
            )
            # What Tasklist would have put into a form's variable opens here as well.
            theirs = await site.ground.client.create_document(b"from Tasklist", file_name="theirs.txt", content_type="text/plain")
            await site.ground.tasks.save_draft(person("amelia"), task.key, {})
            await site.ground.client.set_variables(task.process_instance_key or 0, {"papers": [theirs.as_variable()]})
            page = (await amelia.get(f"/tasks/{task.key}")).text
            links = re.findall(rf'href="(/tasks/{task.key}/files/[^"/]+)" download>([^<]+)<', page)
            assert [name for _, name in links] == ["note.txt", "theirs.txt"]
            assert [(await amelia.get(where)).content for where, _ in links] == [b"all is well", b"from Tasklist"]
            assert (await amelia.get(f"/tasks/{task.key}/files/{theirs.document_id}")).content == b"from Tasklist"
            # Gone from the engine is gone from here, in words.
            await site.ground.client.delete_document(reference)
            assert (await amelia.get(links[0][0])).status_code == 404
        assert not [file for file in (tmp_path / "attachments").rglob("*") if file.is_file()]
        [one] = await site.parts.tasks.store.attachments.of(task.key)
        assert (one.document_id, one.store_id, one.author) == (reference.document_id, reference.store_id, "amelia")


async def test_an_engine_without_a_document_store_leaves_files_in_the_folder(tmp_path: Path) -> None:
    class Old:
        """The answers of a real broker of 8.6.0, and of a gateway without the path."""

        def __init__(self, kept: DocumentReference | None) -> None:
            self.kept = kept
            self.deleted: list[str] = []

        async def create_document(self, *_: Any, **__: Any) -> DocumentReference:
            if self.kept is None:
                raise NotSupported("no such path")
            return self.kept

        async def delete_document(self, document: DocumentReference) -> None:
            self.deleted.append(document.document_id)

        async def get_document(self, document: DocumentReference) -> bytes:
            raise InvalidArgument("no such path")

    async with inbox(tmp_path) as site:
        store = site.parts.tasks.store.attachments
        early = Old(DocumentReference(store_id="in-memory", document_id="unhashed"))
        shelf = EngineShelf(Old(None), store)  # pyright: ignore[reportArgumentType]
        hashless = EngineShelf(early, store)  # pyright: ignore[reportArgumentType]

        async def pieces() -> AsyncGenerator[bytes]:
            yield b"kept here"

        one = await store.add(7, 8, "amelia", "a.txt", "text/plain", pieces(), site.parts.clock.now(), shelf=shelf)
        assert (one.document_id, one.reference()["storeId"], one.reference()["documentId"]) == ("", "camunda-workers", one.id)
        two = await store.add(9, 8, "ben", "b.txt", "text/plain", pieces(), site.parts.clock.now(), shelf=hashless)
        assert (two.document_id, early.deleted) == ("", ["unhashed"])
        [shown] = documents_of(await store.of(7), {})
        assert await shelf.content(shown) == b"kept here"
        theirs = documents_of(
            [], {"x": {"camunda.document.type": "camunda", "storeId": "s", "documentId": "../../etc/passwd", "metadata": {}}}
        )
        assert (theirs[0].name, theirs[0].id[:2]) == ("passwd", "d-")
        with pytest.raises(NotFound):
            await shelf.content(theirs[0])


def pdf(*lines: str) -> bytes:
    """A PDF with one page and these lines."""
    drawn = b"BT /F1 12 Tf 50 700 Td 14 TL " + b" ".join(b"(%s) Tj T*" % line.encode() for line in lines) + b" ET"
    stream = zlib.compress(drawn)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", list[int]()
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (table, len(out))


async def test_a_pdf_is_read_in_a_process_of_its_own() -> None:
    good = pdf("The brakes failed", "on the hill.")
    read = await read_pages(good, "application/pdf")
    assert read is not None
    assert len(read) == 1
    assert read[0].split() == ["The", "brakes", "failed", "on", "the", "hill."]
    assert await read_pages(b"%PDF-1.7 nothing else", "application/pdf") is None
    assert await read_pages(good, "image/png") is None
    bomb = good.replace(good[good.index(b"stream\n") + 7 : good.index(b"\nendstream")], zlib.compress(b"(x) Tj " * 60_000_000, 9))
    assert await read_pages(bomb, "application/pdf") is None


def test_a_quote_is_found_again_or_said_to_be_gone() -> None:
    pages = ["one two three four five", "six seven  eight nine"]
    quotes = [
        Quote("two three", "d", 1, "f", 1, 4, 13),
        Quote("three four", "d", 1, "f", 2, 0, 3),
        Quote("seven eight", "d", 1, "f", 3),
        Quote("ten", "d", 2, "f", 4, 0, 3),
    ]
    shown = marked(pages, quotes)
    assert [[(piece.lines[0], piece.quote) for piece in page.pieces] for page in shown.pages] == [
        [("one ", 0), ("two three", 1), (" four", 2), (" five", 0)],
        [("six ", 0), ("seven  eight", 3), (" nine", 0)],
    ]
    assert [one.number for one in shown.missing] == [4]
    assert json.dumps([one.text for one in shown.missing]) == '["ten"]'
