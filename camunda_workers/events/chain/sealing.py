"""Contents that may have to be erased: taken out of a record's text when it enters the log, put back when it is read.

What stays in the log is the text with ``{"$sealed":"<commitment>"}`` in each place. The contents lie in a table of their own, each with a
random salt; with both gone nobody can find out what was there, and the text, which is what the hashes are over, has not changed.
"""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic_core import from_json

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain.hashing import commitment

SALT_SIZE: Final = 16
MARK: Final = '{"$sealed":"'
ERASED_TEXT: Final = "(erased)"

_EVERYWHERE: Final = ("variables", "correlationKey", "errorMessage")
_FURTHER: Final[Mapping[str, tuple[str, ...]]] = {
    "VARIABLE": ("value",),
    "DECISION_EVALUATION": ("variables", "evaluatedDecisions", "decisionOutput", "evaluationFailureMessage"),
    "PROCESS_INSTANCE_MODIFICATION": ("activateInstructions",),
    "AD_HOC_SUB_PROCESS_INSTRUCTION": ("activateElements",),
}
_WITHIN_JOBS: Final = ("variables", "errorMessage")
FACT_CONTENT: Final = "content"
"""The field of our own facts that may be erased."""

_scan: Final = cast("Any", json.JSONDecoder()).scan_once
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_MARKED: Final = re.compile(r'\{"\$sealed":"[A-Za-z0-9_-]{43}"\}')


@dataclass(frozen=True, slots=True)
class Part:
    """A content that was taken out."""

    salt: bytes
    body: str

    @property
    def mark(self) -> str:
        """What stands in its place."""
        return mark_of(self.salt, self.body.encode())


def mark_of(salt: bytes, body: bytes) -> str:
    """What stands in the place of a content."""
    return f'{MARK}{urlsafe_b64encode(commitment(salt, body))[:43].decode()}"}}'


def fields_of(value_type: str, partition: int) -> tuple[str, ...]:
    """Fields of a record's value that may be erased."""
    if partition == 0:
        return (FACT_CONTENT,)
    return _FURTHER.get(value_type, _EVERYWHERE)


def seal(text: str, value: Mapping[str, Any], value_type: str, partition: int = 1) -> tuple[str, Sequence[Part]]:
    """Take out what may have to be erased.

    Args:
        text: the record as JSON.
        value: the same record's ``value``, parsed.
        value_type: the record's value type.
        partition: where it comes from; 0 are our own facts.

    Returns:
        The text that stays, and the contents in the order of their places.
    """
    spans: list[tuple[int, int]] = []
    if value_type == "JOB_BATCH":
        if any(job.get(name) for job in value.get("jobs") or () for name in _WITHIN_JOBS):
            spans = _spans_in_jobs(text)
    else:
        for name in fields_of(value_type, partition):
            if value.get(name):
                spans.append(_span(text, name))
    if not spans and MARK not in text:
        return text, ()
    if MARK in text:
        # Somebody's data looks like a mark of ours: the whole value goes out, so that no mark is ever taken for another.
        spans = [_members(text, _start(text))["value"]]
    spans.sort()
    salts = os.urandom(SALT_SIZE * len(spans))
    parts = [Part(salts[n * SALT_SIZE : (n + 1) * SALT_SIZE], text[begin:end]) for n, (begin, end) in enumerate(spans)]
    pieces: list[str] = []
    at = 0
    for (begin, end), part in zip(spans, parts, strict=True):
        pieces += (text[at:begin], part.mark)
        at = end
    return "".join((*pieces, text[at:])), parts


def unseal(text: str, parts: Iterable[tuple[bytes, str]], holes: int) -> str:
    """Put contents back; what was erased reads as nothing of its kind.

    Args:
        text: as it is in the log.
        parts: salt and content of what is still there.
        holes: how many were taken out.

    Raises:
        ReadModelError: a content is not the one that the log committed to.
    """
    found = 0
    for salt, body in parts:
        mark = mark_of(salt, body.encode())
        whole = text.replace(mark, body, 1)
        if whole == text:
            raise ReadModelError(f"a content is not what the log committed to: run 'camunda-workers log verify' ({text[:160]}…)")
        text = whole
        found += 1
    return text if found == holes else without_erased(text)


def without_erased(text: str) -> str:
    """The record with something harmless where a content was erased, so that whoever reads it finds the kind of value it expects."""
    raw = cast("dict[str, Any]", from_json(text))
    value_type, value = str(raw.get("valueType")), raw.get("value")
    if _is_mark(value):
        raw["value"] = {}
    elif isinstance(value, dict):
        _blank(cast("dict[str, Any]", value), fields_of(value_type, int(raw.get("partitionId", 1))), value_type)
        for job in cast("list[Any]", cast("dict[str, Any]", value).get("jobs") or []):
            if isinstance(job, dict):
                _blank(cast("dict[str, Any]", job), _WITHIN_JOBS, value_type)
    return json.dumps(raw, separators=(",", ":"), ensure_ascii=False)


_LISTS: Final = {"evaluatedDecisions", "activateInstructions", "activateElements"}
_JSON_TEXTS: Final = {("VARIABLE", "value"), ("DECISION_EVALUATION", "decisionOutput")}


def _blank(value: dict[str, Any], names: Iterable[str], value_type: str) -> None:
    for name in names:
        if _is_mark(value.get(name)):
            if (value_type, name) in _JSON_TEXTS:
                value[name] = f'"{ERASED_TEXT}"'
            elif name in {"variables", FACT_CONTENT}:
                value[name] = {}
            else:
                value[name] = [] if name in _LISTS else ERASED_TEXT


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and list(cast("dict[str, Any]", value)) == ["$sealed"]


def marks_in(text: str) -> list[str]:
    """Every mark in a text, in order."""
    return _MARKED.findall(text)


def _span(text: str, name: str) -> tuple[int, int]:
    """Where the value's member of this name stands; it is there."""
    needle = f',"{name}":'
    at = text.find(needle)
    if at < 0:
        at = text.find(f'{{"{name}":')
    # A quotation mark within a string has a backslash before it, so this is a member; if it is the only one of its name, it is ours.
    if at >= 0 and text.count(f'"{name}":') == 1:
        begin = _skip(text, at + len(needle))
        return begin, _end(text, begin)
    if name == "value" and text.count(',"value":"') == 1 and text.count('"value":') == 2:
        begin = text.find(',"value":"') + len(',"value":')
        return begin, _end(text, begin)
    return _members(text, _members(text, _start(text))["value"][0])[name]


def _spans_in_jobs(text: str) -> list[tuple[int, int]]:
    begin, end = _members(text, _members(text, _start(text))["value"][0])["jobs"]
    found: list[tuple[int, int]] = []
    at = _skip(text, begin + 1)
    while at < end - 1:
        members = _members(text, at)
        for name in _WITHIN_JOBS:
            if name in members:
                start, stop = members[name]
                if text[start:stop] not in ("{}", '""', "null"):
                    found.append((start, stop))
        at = _skip(text, _skip(text, _end(text, at)) + 1)
    return found


def _members(text: str, at: int) -> dict[str, tuple[int, int]]:
    """Where the values of an object's members stand; ``at`` is its opening brace."""
    found: dict[str, tuple[int, int]] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = cast("tuple[str, int]", _scan(text, at))
        begin = _skip(text, _skip(text, at) + 1)
        end = _end(text, begin)
        found[name] = (begin, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _end(text: str, at: int) -> int:
    try:
        return cast("int", _scan(text, at)[1])
    except StopIteration as error:
        raise ReadModelError(f"a record is not JSON (at character {at}): {text[:120]}") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _start(text: str) -> int:
    return _skip(text, 0)
