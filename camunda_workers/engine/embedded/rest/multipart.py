"""Multipart forms: files with what is said about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from camunda_workers.engine.embedded.rest.arriving import patient
from camunda_workers.engine.embedded.rest.problem import BadRequest, TooLarge, UnsupportedMediaType

_PARTS = 1000


def _limited(receive: Receive, most: int) -> Receive:
    left = most

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge(f"the form is larger than {most} bytes")
        return message

    return limited


@asynccontextmanager
async def read_form(request: Request, most: int) -> AsyncGenerator[FormData]:
    """Return a request's multipart form; its files are open inside the context.

    Args:
        most: bytes that the whole form may have.

    Raises:
        BadRequest: it is not a well-formed form.
        TooLarge: it is larger.
        TooSlow: it stopped in its middle.
        UnsupportedMediaType: something else was sent.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType(f"Content-Type '{kind}' is not supported: send multipart/form-data")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"the form is larger than {most} bytes")
    request = Request(request.scope, _limited(patient(request.receive), most))
    try:
        form = await request.form(max_files=_PARTS, max_fields=_PARTS, max_part_size=most)
    except (MultiPartException, HTTPException, ValueError, KeyError, AssertionError) as error:
        reason = error.detail if isinstance(error, HTTPException) else error
        raise BadRequest(f"the form cannot be read: {reason}") from error
    try:
        yield form
    finally:
        await form.close()
