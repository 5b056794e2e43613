"""Files attached to tasks: their names in the store, their contents on an engine's shelf or in a folder. Names and types that people give are never trusted."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import tempfile
import unicodedata
from collections.abc import AsyncIterable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import Row, insert, or_, select

from camunda_workers.errors import ConfigurationError, EngineError, NotFound
from camunda_workers.tasks.errors import FileRefused
from camunda_workers.tasks.store.content import refusal
from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.tables import attachments
from camunda_workers.tasks.store.times import millis, moment

if TYPE_CHECKING:
    from camunda_workers.client.documents import DocumentReference

LARGEST: Final = 10 * 1024 * 1024
"""Bytes of one file, unless told otherwise: what the document store of an engine takes by default."""

STORE_ID: Final = "camunda-workers"
"""Names our own folder in document references, as Camunda's document stores are named."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file somebody attached.

    Attributes:
        sha256: of what was attached; whatever comes back is compared with it.
        store_id: the engine's document store that has its content; empty while our own folder has it.
        document_id: what it is called there.
        content_hash: as that store has it.
    """

    id: str
    task_key: int
    process_instance_key: int | None
    name: str
    content_type: str
    size: int
    sha256: str
    author: str
    attached_at: datetime
    store_id: str = ""
    document_id: str = ""
    content_hash: str = ""

    def reference(self) -> dict[str, Any]:
        """The file as a variable: a document reference in Camunda's shape, which form-js's file picker and document preview understand."""
        return {
            "camunda.document.type": "camunda",
            "storeId": self.store_id or STORE_ID,
            "documentId": self.document_id or self.id,
            "contentHash": self.content_hash or self.sha256,
            "metadata": {"fileName": self.name, "contentType": self.content_type, "size": self.size},
        }


class Shelf(Protocol):
    """Keeps contents somewhere else than in our folder."""

    async def put(self, content: bytes, one: Attachment, *, process_id: str, author: str) -> DocumentReference | None:
        """Keep a file that was checked; ``None`` when it has to stay in our folder."""
        ...

    async def drop(self, reference: DocumentReference) -> None:
        """Take back what nobody will ever know of."""
        ...


class Attachments:
    """The files in the store.

    Args:
        database: where their names are.
        folder: where contents are that no shelf keeps; without one, nothing can be attached where there is no shelf.
        largest: bytes of one file.
    """

    def __init__(self, database: StoreDatabase, folder: Path | None, largest: int = LARGEST) -> None:
        self._database = database
        self._folder = folder
        self._largest = largest

    async def add(
        self,
        task_key: int,
        process_instance_key: int | None,
        author: str,
        name: str,
        content_type: str,
        content: AsyncIterable[bytes],
        now: datetime,
        *,
        shelf: Shelf | None = None,
        process_id: str = "",
    ) -> Attachment:
        """Attach a file, read piece by piece and checked before anybody keeps it; nothing is left behind when it is refused.

        Args:
            task_key: the task it belongs to.
            process_instance_key: the case it belongs to.
            author: whose it is.
            name: what it is called; made safe.
            content_type: what it says it is.
            content: its bytes.
            now: the time.
            shelf: keeps its content; our folder does otherwise.
            process_id: the process it belongs to, for the shelf.

        Raises:
            FileRefused: it is too large, empty, of a kind that is not taken, not what it says it is, or a bomb.
            ConfigurationError: nobody can keep it.
        """
        if self._folder is None and shelf is None:
            raise ConfigurationError("files cannot be attached: the task store has no folder for them (give it one with files=...)")
        shown = safe_name(name)
        folder = self._folder or Path(tempfile.gettempdir())
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        part = folder / f".{secrets.token_hex(16)}.part"
        try:
            size, digest = await self._receive(part, content)
            if reason := await asyncio.to_thread(refusal, part, shown, content_type, size):
                raise FileRefused(f"'{shown}' {reason}")
            one = Attachment(secrets.token_urlsafe(18), task_key, process_instance_key, shown, content_type, size, digest, author, now)
            return await self._kept(one, part, shelf, process_id)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()

    async def _kept(self, one: Attachment, part: Path, shelf: Shelf | None, process_id: str) -> Attachment:
        put = None
        if shelf is not None:
            put = await shelf.put(await asyncio.to_thread(part.read_bytes), one, process_id=process_id, author=one.author)
        if put is not None:
            one = replace(one, store_id=put.store_id, document_id=put.document_id, content_hash=put.content_hash or "")
        elif self._folder is None:
            raise ConfigurationError(
                "files cannot be attached: this engine has no document store, and the task store no folder for them (give it one with files=...)"
            )
        else:
            await asyncio.to_thread(_keep, part, self._path(one.sha256))
        values = {name: getattr(one, name) for name in one.__slots__} | {"attached_at": millis(one.attached_at)}
        try:
            await self._database.run(lambda connection: connection.execute(insert(attachments).values(values)))
        except BaseException:
            if shelf is not None and put is not None:
                with contextlib.suppress(EngineError):
                    await shelf.drop(put)
            raise
        return one

    async def _receive(self, part: Path, content: AsyncIterable[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        with part.open("xb") as file:
            async for piece in content:
                size += len(piece)
                if size > self._largest:
                    raise FileRefused(f"the file is larger than {self._largest / 1024 / 1024:g} MB")
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_to_disk, file)
        if size == 0:
            raise FileRefused("the file is empty")
        return size, digest.hexdigest()

    async def of(self, task_key: int, process_instance_key: int | None = None) -> list[Attachment]:
        """A task's files, and with a process instance those of its other tasks too; the oldest first."""
        mine = attachments.c.task_key == task_key
        if process_instance_key is not None:
            mine = or_(mine, attachments.c.process_instance_key == process_instance_key)
        query = select(attachments).where(mine).order_by(attachments.c.attached_at, attachments.c.id)
        return [_attachment(row) for row in await self._database.run(lambda connection: connection.execute(query).all())]

    async def get(self, attachment_id: str, among: Collection[int]) -> Attachment:
        """A file.

        Args:
            attachment_id: which.
            among: process instances whose files the caller may see.

        Raises:
            NotFound: there is none, or it belongs to another case.
        """
        query = select(attachments).where(attachments.c.id == attachment_id, attachments.c.process_instance_key.in_(sorted(among)))
        row = await self._database.run(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"there is no file '{attachment_id}' here")
        return _attachment(row)

    def read(self, one: Attachment) -> bytes:
        """The content of a file that our own folder has; blocks.

        Raises:
            NotFound: it is gone.
        """
        try:
            if self._folder is not None:
                return self._path(one.sha256).read_bytes()
        except FileNotFoundError:
            pass
        raise NotFound(f"the content of '{one.name}' is gone")

    def _path(self, digest: str) -> Path:
        assert self._folder is not None
        return self._folder / digest[:2] / digest


def safe_name(name: str) -> str:
    """A file's name without a folder and without letters that hide what it is; never empty."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter for letter in last if unicodedata.category(letter) not in ("Cc", "Cf", "Co", "Cs"))
    return kept.strip(" .")[-150:] or "file"


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _keep(part: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    part.replace(target)


def _attachment(row: Row[Any]) -> Attachment:
    return Attachment(
        row.id,
        row.task_key,
        row.process_instance_key,
        row.name,
        row.content_type,
        row.size,
        row.sha256,
        row.author,
        moment(row.attached_at),
        row.store_id or "",
        row.document_id or "",
        row.content_hash or "",
    )
