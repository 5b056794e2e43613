"""Reading what a caller sent: bodies, keys, parameters; every complaint names the field.

A request's body is a :class:`Body`, a pydantic model in Camunda's names. The same models describe the API (``describe.py``), so what
is documented is what is accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from camunda_workers.engine.embedded.commands import DEFAULT_TENANT
from camunda_workers.engine.embedded.documents import pack_document
from camunda_workers.engine.embedded.rest.arriving import patient
from camunda_workers.engine.embedded.rest.problem import BadRequest, TooLarge, UnsupportedMediaType
from camunda_workers.errors import InvalidArgument

MAX_BODY = 4 * 1024 * 1024 - 8192
"""Bytes; the engine's own limit is 4 MB a command, with everything around it."""

_MOMENT = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))(\[[\w/+-]+\])?", re.ASCII)
"""RFC 3339; seconds may be left out and a zone's name added, for Java reads both."""

_KEY = re.compile(r"-?\d{1,19}", re.ASCII)


class Body(BaseModel):
    """What a request carries, in Camunda's names; unknown fields are refused, null counts as not given."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, validate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in cast("dict[str, Any]", given).items() if value is not None}


def as_key(value: Any, name: str = "key") -> int:
    """Return a key given as a string or number."""
    if isinstance(value, bool) or not _KEY.fullmatch(str(value)):
        hint = "Expected a numeric value. Did you pass an entity id instead of an entity key?."
        raise InvalidArgument(f"The provided {name} '{value}' is not a valid key. {hint}")
    key = int(value)
    if not 0 < key < 2**63:
        raise InvalidArgument(f"The provided {name} '{value}' is not a valid key.")
    return key


def path_key(request: Request, name: str) -> int:
    """Return a key from the path."""
    return as_key(request.path_params[name], name)


def moment(value: Any, name: str = "date") -> str:
    """Return a date and time with its offset as it was given; an empty text stays one (it clears)."""
    if isinstance(value, str) and (not value or _is_moment(value)):
        return value
    reason = "cannot be parsed as a date according to RFC 3339, section 5.6"
    raise InvalidArgument(f"The provided {name} '{value}' {reason}: give date, time and offset, for example 2030-05-01T12:00:00Z.")


def _is_moment(value: str) -> bool:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return False
    try:
        datetime.fromisoformat(found["moment"])
    except ValueError:
        return False
    return True


def tenant(value: Any) -> Any:
    """Return a tenant id; there is one tenant, and none given is that one."""
    if isinstance(value, str) and value not in ("", DEFAULT_TENANT):
        raise InvalidArgument(f"Expected to handle request with tenant identifier '{value}', but multi-tenancy is disabled")
    return value


_KEY_SCHEMA = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}


def _named(read: Callable[[Any, str], Any]) -> BeforeValidator:
    """A validator that tells ``read`` what the field is called in the request."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        return read(value, to_camel(info.field_name or "value"))

    return BeforeValidator(validate)


Key = Annotated[int, _named(as_key), WithJsonSchema(_KEY_SCHEMA)]
Moment = Annotated[str, _named(moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Text = Annotated[str, Field(min_length=1)]
"""A text that must not be empty."""
Tenant = Annotated[str, BeforeValidator(tenant), WithJsonSchema({"type": "string", "enum": [DEFAULT_TENANT]})]
Document = Annotated[
    bytes,
    _named(lambda value, name: pack_document(value, name=name)),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
"""Variables, as the engine's records hold them."""
Reference = Annotated[int, Field(ge=1, lt=2**63)]
"""An operation reference: the caller's own number."""


class Referenced(Body):
    """A command that carries nothing but the caller's own number."""

    operation_reference: Reference | None = None


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"Request property cannot be parsed: {name} is not JSON")


BodyT = TypeVar("BodyT", bound=Body)


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """Return a request's body; an absent one is an empty object.

    Raises:
        BadRequest: not JSON, not an object, or not what the model says; the text names the field.
        InvalidArgument: something that is needed is not there, or a value is out of bounds.
        TooLarge: more than the engine takes.
        TooSlow: it stopped in its middle.
        UnsupportedMediaType: something else than JSON.
    """
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind not in ("application/json", "application/problem+json", ""):
        raise UnsupportedMediaType(f"Content-Type '{kind}' is not supported: send application/json")
    return parse(model, read_json(await read_bytes(request, MAX_BODY)))


async def read_bytes(request: Request, most: int) -> bytes:
    """Return the raw body, refused before it is read where its length is announced."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise TooLarge(f"the body is larger than {most} bytes")
    raw = bytearray()
    async for chunk in Request(request.scope, patient(request.receive)).stream():
        raw += chunk
        if len(raw) > most:
            raise TooLarge(f"the body is larger than {most} bytes")
    return bytes(raw)


def read_json(raw: bytes) -> Any:
    """Return what a JSON text says; an empty one is an empty object."""
    if not raw.strip():
        return {}
    try:
        given = json.loads(raw, parse_constant=_no_constant)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if b"\\ud" in raw.lower():
        try:
            json.dumps(given, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise BadRequest("the body is not JSON: half of a surrogate pair is not text") from None
        except RecursionError:
            raise BadRequest("the body is nested too deeply") from None
    return given


def parse(model: type[BodyT], given: Any) -> BodyT:
    """Return the model's object for a JSON value; errors as of :func:`read_body`."""
    if not isinstance(given, dict):
        raise BadRequest("the body is not a JSON object")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _refusal(model, error) from None


def _refusal(model: type[Body], error: ValidationError) -> InvalidArgument:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    match first["type"]:
        case "missing" | "string_too_short":
            return InvalidArgument(f"No {path} provided.")
        case "extra_forbidden":
            known = ", ".join(sorted(str(field.alias) for field in model.model_fields.values()))
            hint = f"; known are {known}" if len(first["loc"]) == 1 else ""
            return BadRequest(f"Request property [{path}] cannot be parsed: unknown{hint}")
        case "greater_than_equal" | "less_than_equal" | "less_than":
            bound = first["msg"].removeprefix("Input should be ")
            return InvalidArgument(f"The value for {path} is out of bounds: it must be {bound}.")
        case _:
            return BadRequest(f"Request property [{path}] cannot be parsed: {first['msg']}")
