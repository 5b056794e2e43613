"""Sentences that other parts of the product write in English, in the reader's language and with people's names.

Rules, refusals and stories are the same in the log, over REST and in Tasklist: in English, with user names. The inbox knows those sentences by the
patterns of ``[phrase]`` in ``en.toml``; each language says them anew. A sentence without a pattern stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from string import Formatter
from typing import Final

from camunda_workers.inbox.views.glance import label_of, number
from camunda_workers.inbox.words import FALLBACK, Words

PREFIX: Final = "phrase."
_NUMBERS: Final = frozenset({"n", "days", "have", "missing", "needed", "size", "limit", "amount"})
_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(\.\d+)?")


class Phrases:
    """The sentences that are known.

    Args:
        words: the inbox's words; a value's name says what it is: ``{who}`` and ``{other}`` are people, ``{task}`` elements, ``{path}`` a variable's
            path, ``{limit}`` and ``{amount}`` numbers, ``{what}`` a sentence again.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        known = {key: text for key, text in words.table(FALLBACK).items() if key.startswith(PREFIX)}
        # What says more comes first: "task opened" would take everything that begins so.
        ordered = sorted(known.items(), key=lambda one: -len(re.sub(r"\{\w+\}", "", one[1])))
        self._patterns = [(key, re.compile(_pattern(text), re.DOTALL)) for key, text in ordered]
        self._found = lru_cache(maxsize=4096)(self._find)

    def say(self, language: str, text: str, name_of: Callable[[str], str] = str) -> str:
        """A sentence in a language."""
        found = self._found(text)
        if found is None:
            return text
        key, values = found
        return self._words.say(language, key, **{name: self._value(language, name, value, name_of) for name, value in values.items()})

    def _find(self, text: str) -> tuple[str, Mapping[str, str]] | None:
        for key, pattern in self._patterns:
            if (found := pattern.fullmatch(text)) is not None:
                return key, found.groupdict()
        return None

    def _value(self, language: str, name: str, value: str, name_of: Callable[[str], str]) -> str:
        if name in ("who", "other"):
            return name_of(value)
        if name == "task":
            return ", ".join(label_of(one) for one in value.split(", "))
        if name == "path":
            return label_of(value.rsplit(".", 1)[-1])
        if name in ("limit", "amount") and _NUMBER.fullmatch(value):
            plain = value.replace(",", "")
            return number(float(plain) if "." in plain else int(plain), partial(self._words.say, language))
        return self.say(language, value, name_of) if name == "what" else value


def sentence(text: str) -> str:
    """A text that begins like a sentence."""
    return text[:1].upper() + text[1:]


def _pattern(text: str) -> str:
    parts: list[str] = []
    seen: set[str] = set()
    for plain, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(plain))
        if name:
            kind = r"[\d.,]+" if name in _NUMBERS else ".+?"
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
            seen.add(name)
    return "".join(parts)
