"""The inbox's own words, one file per language; a project may add further ones."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from camunda_workers.errors import ConfigurationError

FALLBACK: Final = "en"


class Words:
    """Every language there is.

    Args:
        further: a folder with further files, ``fr.toml``; one may also change single words of ours.

    Raises:
        ConfigurationError: a file is not TOML.
    """

    def __init__(self, further: Path | None = None) -> None:
        self._tables: dict[str, dict[str, str]] = {}
        for file in (files("camunda_workers.inbox") / "locale").iterdir():
            if file.name.endswith(".toml"):
                self._add(file.name.removesuffix(".toml"), file.read_text(encoding="utf-8"), file.name)
        for file in sorted(further.glob("*.toml")) if further is not None else ():
            self._add(file.stem, file.read_text(encoding="utf-8"), str(file))

    def _add(self, language: str, text: str, name: str) -> None:
        try:
            self._tables.setdefault(language, {}).update(_flat(tomllib.loads(text)))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{name}: is not TOML: {error}") from error

    @property
    def languages(self) -> Mapping[str, str]:
        """Code to name, as speakers of the language call it."""
        return {code: table.get("language", code) for code, table in sorted(self._tables.items())}

    def table(self, language: str) -> Mapping[str, str]:
        """The words of one language."""
        return self._tables[language]

    def choose(self, wanted: str | None, accepted: str) -> str:
        """The language for somebody: what they chose, or what their browser asks for first."""
        if wanted in self._tables:
            return wanted
        for part in accepted.split(","):
            code = part.split(";")[0].strip().lower().split("-")[0]
            if code in self._tables:
                return code
        return FALLBACK

    def say(self, language: str, key: str, **values: Any) -> str:
        """One text; in English where the language lacks it.

        Raises:
            KeyError: there is no such text.
        """
        text = self._tables[language].get(key) or self._tables[FALLBACK][key]
        return text.format(**values) if values else text

    def part(self, language: str, name: str) -> dict[str, str]:
        """A table's texts as they stand in the file, for scripts; in English where the language lacks one."""
        start = f"{name}."
        known = (key for key in self._tables[FALLBACK] if key.startswith(start))
        return {key.removeprefix(start): self._tables[language].get(key) or self._tables[FALLBACK][key] for key in known}

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._tables[FALLBACK]


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    return dict(_pairs(table, before))


def _pairs(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _pairs(cast("Mapping[str, Any]", value), f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
