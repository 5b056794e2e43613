"""What an AI task may answer, and how text from outside becomes such an answer or does not.

A model's text is hostile until proven otherwise: it is cut off by size before it is parsed, parsed strictly, allowed no field the output model
does not have, and may cite only facts that were in front of it. Whatever fails one of these is :class:`InvalidAnswer`; nothing is salvaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

MAX_ANSWER_CHARS: Final = 32_768
"""Longer answers are refused before they are parsed; an output model's fields are far smaller."""

_FENCE: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
_UNSUPPORTED: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems", "title", "default", "examples"})


def plain_text(value: object) -> object:
    """Text fit to be shown: whitespace becomes single spaces; control and invisible characters (text direction included) are dropped."""
    if not isinstance(value, str):
        return value
    return " ".join("".join(c if c.isprintable() else " " if c.isspace() else "" for c in value).split())


PlainText = Annotated[str, BeforeValidator(plain_text)]
"""One paragraph without control characters, for people to read."""


class AiOutput(BaseModel):
    """Base of every output model: strict types, no extra fields.

    Attributes:
        confidence: 0..1; what it means (calibrated or merely claimed) depends on the strategy that gave it.
        rationale: why, for the person who reads it.
        cited_fields: the facts it rests on, as dotted paths into the facts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    confidence: Annotated[float, Field(ge=0, le=1, description="how sure you are that the answer is right, from 0 to 1")]
    rationale: Annotated[PlainText, Field(min_length=1, max_length=800, description="one or two sentences that a caseworker understands")]
    cited_fields: Annotated[
        tuple[Annotated[str, Field(max_length=120)], ...],
        Field(max_length=16, description="paths of the facts the answer rests on"),
    ]


OutputT = TypeVar("OutputT", bound=AiOutput)


class InvalidAnswer(ValueError):
    """An answer that is not what the output model says; the text names each fault and never repeats the answer."""


def fact_paths(facts: Mapping[str, JsonValue]) -> frozenset[str]:
    """Dotted paths of all leaves; a list counts as one leaf."""

    def walk(node: Mapping[str, JsonValue], prefix: str) -> Iterator[str]:
        for key, value in node.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    return frozenset(walk(facts, ""))


def value_at(facts: Mapping[str, JsonValue], path: str) -> JsonValue:
    """The value at a dotted path; ``None`` where there is none."""
    node: JsonValue = cast("JsonValue", facts)
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return node


def parse_answer(text: str, output: type[OutputT], paths: frozenset[str]) -> OutputT:
    """A model's text as an instance of the output model.

    Args:
        text: what the model wrote; one surrounding Markdown code fence is tolerated.
        output: the output model.
        paths: the fact paths that may be cited.

    Raises:
        InvalidAnswer: too long, not JSON, not the output model, or citing facts that do not exist.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise InvalidAnswer(f"the answer is {len(text)} characters long; at most {MAX_ANSWER_CHARS} are read")
    fenced = _FENCE.match(text)
    try:
        answer = output.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        raise InvalidAnswer(_faults(error, output)) from None
    except UnicodeEncodeError:  # lone surrogates survive JSON's \u escapes and are no text
        raise InvalidAnswer("the answer is not valid Unicode") from None
    unknown = [path for path in answer.cited_fields if path not in paths]
    if unknown:
        raise InvalidAnswer(f"cited_fields: {len(unknown)} of {len(answer.cited_fields)} paths are not among the facts")
    return answer


def _faults(error: ValidationError, output: type[BaseModel]) -> str:
    """The first faults by place and kind; names that the answer invented are not repeated, because they are its author's text."""
    lines: list[str] = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False)[:5]:
        head = str(fault["loc"][0]) if fault["loc"] else "answer"
        place = head if head in output.model_fields or head == "answer" else "a field that must not be there"
        kind = "not valid JSON" if fault["type"] == "json_invalid" else fault["type"].replace("_", " ")
        lines.append(f"{place}: {kind}")
    return "; ".join(lines)


def answer_schema(output: type[AiOutput], paths: frozenset[str], documents: Sequence[str] = ()) -> dict[str, Any]:
    """The output model as a JSON schema that strict structured output accepts.

    Every object is closed and all its fields are required; keywords that strict mode refuses are left out (they are checked on our side
    anyway); ``cited_fields`` becomes an enumeration of the facts that exist, so a model with constrained decoding cannot invent one. The same goes for
    the facts of ``would_change`` and the documents of ``quotes``.
    """
    schema = cast("dict[str, Any]", _strict(output.model_json_schema(mode="validation")))
    schema["properties"]["cited_fields"]["items"] = {"type": "string", "enum": sorted(paths)}
    for field, name, among in (("would_change", "path", sorted(paths)), ("quotes", "document", documents)):
        reference = schema["properties"].get(field, {}).get("items", {}).get("$ref", "")
        inside = schema.get("$defs", {}).get(reference.rpartition("/")[2])
        if inside is not None and among:
            inside["properties"][name] = {"type": "string", "enum": list(among)}
    return schema


def _strict(node: object, *, named: bool = False) -> object:
    """``named``: the node's keys are names somebody chose (properties, definitions), not keywords."""
    if isinstance(node, list):
        return [_strict(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    items = cast("dict[str, object]", node)
    if named:
        return {key: _strict(value) for key, value in items.items()}
    kept: dict[str, object] = {
        key: _strict(value, named=key in {"properties", "$defs"}) for key, value in items.items() if key not in _UNSUPPORTED
    }
    if kept.get("type") == "object" and isinstance(kept.get("properties"), dict):
        kept["additionalProperties"] = False
        kept["required"] = list(cast("dict[str, object]", kept["properties"]))
    return kept
