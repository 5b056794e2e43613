"""Keeps customers' data and secrets out of error texts, which go to the engine, to incidents and to logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, assert_never, cast

from camunda_workers.worker.context import JobContext
from camunda_workers.worker.middleware import CallNext
from camunda_workers.worker.outcome import Bpmn, Completed, Denied, Failed, Outcome

MASK: Final = "[redacted]"

SENSITIVE_NAMES: Final = ("password", "secret", "token", "api_key", "authorization", "iban", "ssn", "card_number", "cvv")
"""Variables whose values are masked: a name matches if it has one of these in it, without regard to case, ``_`` and ``-``."""

_PATTERNS: Final = (
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",
    r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b",
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",
)
"""Bearer and basic credentials, e-mail addresses, JSON web tokens, IBANs, passwords in addresses."""

_CARD: Final = re.compile(r"\b[3-6]\d{3}(?:[ -]?\d){9,15}\b")

_SHORTEST = 3
"""Values shorter than this are not searched for: they would mask half of every text."""


class Redaction:
    """A middleware that masks what must not be in an error's text.

    Put it outermost, so that it sees what other middleware adds. A failure whose text was changed loses its cause, because a traceback shows
    the text again.

    Args:
        names: variables, at any depth, whose values are masked wherever they appear in a text.
        patterns: further regular expressions to mask.
    """

    def __init__(self, names: Iterable[str] = SENSITIVE_NAMES, patterns: Iterable[str] = ()) -> None:
        self._names = tuple(_plain(name) for name in names)
        self._pattern = re.compile("|".join(f"(?:{pattern})" for pattern in (*_PATTERNS, *patterns)))

    async def __call__(self, call_next: CallNext, context: JobContext) -> Outcome:
        """See `camunda_workers.worker.middleware`."""
        outcome = await call_next(context)
        match outcome:
            case Failed():
                text = self.masked(outcome.message, context)
                return outcome if text == outcome.message else replace(outcome, message=text, cause=None)
            case Bpmn():
                text = self.masked(outcome.message, context)
                return outcome if text == outcome.message else replace(outcome, message=text)
            case Denied() | Completed():
                # A reason is written for the user who is told it; variables are what the process is about.
                return outcome
            case _:
                assert_never(outcome)

    def masked(self, text: str, context: JobContext | None = None) -> str:
        """A text without what must not be in it."""
        if not text:
            return text
        if context is not None:
            for value in sorted(self._sensitive_values(context), key=len, reverse=True):
                text = text.replace(value, MASK)
        return self._pattern.sub(MASK, _CARD.sub(_card, text))

    def processor(self, logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        """A structlog processor: masks values of sensitive keys, and patterns in every text."""
        return {
            name: MASK if self._is_sensitive(name) else self.masked(value) if isinstance(value, str) else value
            for name, value in event.items()
        }

    def _sensitive_values(self, context: JobContext) -> set[str]:
        try:
            variables = context.variables
        except ValueError:
            # Malformed variables: that is what the failure is about, and there is nothing to look up in them.
            return set()
        found: set[str] = set()
        self._collect(variables, found, inside=False)
        return {value for value in found if len(value) >= _SHORTEST}

    def _collect(self, value: object, found: set[str], *, inside: bool) -> None:
        todo: list[tuple[object, bool]] = [(value, inside)]
        while todo:
            item, sensitive = todo.pop()
            if isinstance(item, dict):
                fields = cast("Mapping[str, object]", item)
                todo.extend((inner, sensitive or self._is_sensitive(name)) for name, inner in fields.items())
            elif isinstance(item, list):
                todo.extend((inner, sensitive) for inner in cast("list[object]", item))
            elif sensitive and isinstance(item, str | int | float) and not isinstance(item, bool):
                found.add(str(item))

    def _is_sensitive(self, name: str) -> bool:
        plain = _plain(name)
        return any(known in plain for known in self._names)


def _card(found: re.Match[str]) -> str:
    # The engine's keys have as many digits as cards; those of cards add up (Luhn).
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    doubled = (sum(divmod(digit * 2, 10)) for digit in digits[-2::-2])
    return MASK if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


def _plain(name: str) -> str:
    return re.sub(r"[_\-]", "", name.lower())
