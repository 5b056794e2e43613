"""Reading what a caller sent: bodies, keys, fields; every complaint names the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, cast

from starlette.requests import Request

from camunda_workers.engine.embedded.documents import pack_document
from camunda_workers.engine.embedded.rest.problem import BadRequest

MAX_BODY = 5 * 1024 * 1024
"""Bytes; the engine's own limit is 4 MB a command."""

_MOMENT = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))(\[[\w/+-]+\])?", re.ASCII)
"""RFC 3339; seconds may be left out and a zone's name added, for Java reads both."""


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"Request property cannot be parsed: {name} is not JSON")


async def json_body(request: Request, known: Sequence[str]) -> dict[str, Any]:
    """Return the body as an object; an empty one is ``{}``.

    Raises:
        BadRequest: not JSON, not an object, too large, the wrong content type, or a field that is not known.
    """
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind not in ("application/json", "application/problem+json", ""):
        raise BadRequest(f"Content-Type '{kind}' is not supported: send application/json")
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise BadRequest(f"the body is larger than {MAX_BODY} bytes")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes")
    if not raw.strip():
        return {}
    try:
        body = json.loads(bytes(raw), parse_constant=_no_constant)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    fields = cast(dict[str, Any], body)
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise BadRequest(f"Request property [{unknown[0]}] cannot be parsed: unknown; known are {', '.join(sorted(known))}")
    return fields


def path_key(request: Request, name: str) -> int:
    """Return a key from the path."""
    return as_key(request.path_params[name], name)


def as_key(value: Any, name: str) -> int:
    """Return a key given as a string or number."""
    try:
        key = int(value)
    except (TypeError, ValueError):
        hint = "Expected a numeric value. Did you pass an entity id instead of an entity key?."
        raise BadRequest(f"The provided {name} '{value}' is not a valid key. {hint}") from None
    if isinstance(value, bool) or not 0 < key < 2**63:
        raise BadRequest(f"The provided {name} '{value}' is not a valid key.")
    return key


def text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """Return a text field; absent or null is empty."""
    value = body.get(name)
    if value is None or value == "":
        if required:
            raise BadRequest(f"No {name} provided.")
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"Request property [{name}] cannot be parsed: expected a string")
    return value


def moment(body: Mapping[str, Any], name: str) -> str:
    """Return a date and time with its offset, as text; absent or null is empty."""
    value = text(body, name)
    if value and not _is_moment(value):
        reason = "cannot be parsed as a date according to RFC 3339, section 5.6"
        raise BadRequest(f"The provided {name} '{value}' {reason}: give date, time and offset, for example 2030-05-01T12:00:00Z.")
    return value


def _is_moment(value: str) -> bool:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return False
    try:
        datetime.fromisoformat(found["moment"])
    except ValueError:
        return False
    return True


def whole(body: Mapping[str, Any], name: str, default: int) -> int:
    """Return a whole number of at most 64 bits."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise BadRequest(f"Request property [{name}] cannot be parsed: expected a whole number")
    return value


def flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a yes or no."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"Request property [{name}] cannot be parsed: expected true or false")
    return value


def texts(body: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts; absent or null is empty."""
    value: Any = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast(list[Any], value)):
        raise BadRequest(f"Request property [{name}] cannot be parsed: expected a list of strings")
    return cast(list[str], value)


def variables(body: Mapping[str, Any], name: str = "variables") -> bytes:
    """Return variables as a document."""
    value: Any = body.get(name)
    return pack_document({} if value is None else value, name=name)
