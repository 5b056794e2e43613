"""JSON texts, as the APIs carry them, to MessagePack documents, as the engine's records hold them, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import msgpack

from camunda_workers.errors import InvalidArgument

_msgpack: Any = msgpack  # it ships no types

EMPTY = b"\x80"
"""The empty document."""


MAX_DOCUMENT = 4 * 1024 * 1024 - 8192
"""Bytes; what the engine takes in one command, less room for the rest of it."""

_KINDS: dict[type, str] = {list: "ARRAY", str: "STRING", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN"}
"""What the engine calls the kinds of a document."""


def _no_constant(name: str) -> NoReturn:
    raise InvalidArgument(f"Property 'variables' is invalid: {name} is not JSON")


def to_document(text: str, *, name: str = "variables") -> bytes:
    """Turn a JSON object into a document.

    Args:
        text: the JSON text; an empty one is an empty document.
        name: what the text is called in an error.

    Raises:
        InvalidArgument: the text is not JSON, or not an object, or holds what MessagePack cannot.
    """
    if not text or text == "{}":
        return EMPTY
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise InvalidArgument(f"Property '{name}' is invalid: nested too deeply") from None
    except ValueError as error:
        shown = text if len(text) <= 200 else text[:200] + "..."
        raise InvalidArgument(f"Invalid JSON value: {shown}\n at [{error}]") from error
    return EMPTY if value is None else pack_document(value, name=name)


def pack_document(value: object, *, name: str = "variables") -> bytes:
    """Turn a mapping into a document; see :func:`to_document`."""
    if not isinstance(value, Mapping):
        kind = _KINDS.get(type(value), type(value).__name__.upper())
        raise InvalidArgument(f"Property '{name}' is invalid: Expected document to be a root level object, but was '{kind}'")
    try:
        packed = pack(cast(Mapping[str, Any], value))
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        raise InvalidArgument(f"Property '{name}' is invalid: {error}") from error
    if len(packed) > MAX_DOCUMENT:
        raise InvalidArgument(f"Property '{name}' is invalid: it is larger than the {MAX_DOCUMENT} bytes that the engine takes")
    return packed


def pack(value: object) -> bytes:
    """Turn a Python value into one MessagePack value; raises what msgpack raises."""
    return cast(bytes, _msgpack.packb(value))


def unpack(document: bytes) -> Any:
    """Turn one MessagePack value into Python's."""
    return _msgpack.unpackb(document, strict_map_key=False, unicode_errors="replace") if document else None


def to_json(document: bytes | None) -> str:
    """Turn a document into its JSON text."""
    if not document or document == EMPTY:
        return "{}"
    return json.dumps(unpack(document), ensure_ascii=False, separators=(",", ":"), default=_binary)


def _binary(value: object) -> str:
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in a document")
