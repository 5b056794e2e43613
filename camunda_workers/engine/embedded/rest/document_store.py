"""Where documents are kept: in a folder, or in memory for an engine that keeps nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from camunda_workers.errors import AlreadyExists, InvalidArgument, NotFound
from camunda_workers.events.dates import to_millis

MAX_DOCUMENT = 10 * 1024 * 1024
"""Bytes of one upload: Camunda's own default."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document.

    Attributes:
        document_id: what it is called.
        content_hash: SHA-256 of its content.
        metadata: in Camunda's names.
    """

    document_id: str
    content_hash: str
    metadata: dict[str, Any]


class _Shelf(Protocol):
    def has(self, name: str) -> bool: ...
    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, content: bytes) -> None: ...
    def drop(self, name: str) -> None: ...


class _Memory:
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def has(self, name: str) -> bool:
        return name in self._kept

    def get(self, name: str) -> bytes | None:
        return self._kept.get(name)

    def put(self, name: str, content: bytes) -> None:
        self._kept[name] = content

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def get(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / name)

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class DocumentStore:
    """Documents by id.

    Args:
        folder: where they are kept; None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.store_id = "in-memory" if folder is None else "local"
        self._shelf: _Shelf = _Memory() if folder is None else _Folder(folder)
        self._secret = secrets.token_bytes(32)

    def check_store(self, store_id: str | None) -> None:
        """Refuse a store that is not this one."""
        if store_id is not None and store_id != self.store_id:
            raise InvalidArgument(f"Document store with id '{store_id}' does not exist; there is '{self.store_id}'")

    def create(self, content: bytes, metadata: dict[str, Any], document_id: str | None = None) -> StoredDocument:
        """Keep a document.

        Raises:
            AlreadyExists: there is one of that id.
        """
        chosen = document_id or str(uuid.uuid4())
        name = _file_name(chosen)
        if self._shelf.has(f"{name}.json"):
            raise AlreadyExists(f"Document with id '{chosen}' already exists")
        stored = StoredDocument(chosen, hashlib.sha256(content).hexdigest(), metadata | {"size": len(content)})
        self._shelf.put(f"{name}.bin", content)
        described = {"documentId": chosen, "contentHash": stored.content_hash, "metadata": stored.metadata}
        self._shelf.put(f"{name}.json", json.dumps(described).encode())
        return stored

    def find(self, document_id: str) -> StoredDocument:
        """Return a document without its content.

        Raises:
            NotFound: there is none, or it has expired.
        """
        described = self._shelf.get(f"{_file_name(document_id)}.json")
        if described is not None:
            found = json.loads(described)
            expires = found["metadata"].get("expiresAt")
            if not expires or to_millis(expires) > time.time() * 1000:
                return StoredDocument(found["documentId"], found["contentHash"], found["metadata"])
        raise NotFound(f"Document with id '{document_id}' not found")

    def content(self, document_id: str) -> bytes:
        """Return a document's content."""
        content = self._shelf.get(f"{_file_name(document_id)}.bin")
        if content is None:
            raise NotFound(f"Document with id '{document_id}' not found")
        return content

    def delete(self, document_id: str) -> None:
        """Forget a document."""
        self.find(document_id)
        name = _file_name(document_id)
        self._shelf.drop(f"{name}.json")
        self._shelf.drop(f"{name}.bin")

    def sign(self, document_id: str, expires: int) -> str:
        """Return what lets somebody read a document until a moment (milliseconds) without knowing its hash; gone after a restart."""
        message = f"{expires}:{document_id}".encode()
        return f"{expires}.{hmac.new(self._secret, message, 'sha256').hexdigest()}"

    def is_signed(self, document_id: str, signature: str) -> bool:
        """Whether this is such a signature and its time is not over."""
        expires = signature.partition(".")[0]
        if not (expires.isascii() and expires.isdigit() and len(expires) < 20) or int(expires) < time.time() * 1000:
            return False
        return hmac.compare_digest(self.sign(document_id, int(expires)).encode(), signature.encode())


def _file_name(document_id: str) -> str:
    name = quote(document_id, safe="")
    # A file's name has at most 255 bytes, and "." and ".." are folders.
    return name if len(name) <= 200 and not name.startswith(".") else f"sha256-{hashlib.sha256(document_id.encode()).hexdigest()}"
