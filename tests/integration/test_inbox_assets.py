"""The built frontend is the one of these sources, and the words are there in every language."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from camunda_workers.inbox.words import Words

INBOX = Path(str(files("camunda_workers.inbox")))
FRONTEND, STATIC, TEMPLATES = INBOX / "frontend", INBOX / "static", INBOX / "templates"
MANIFEST: dict[str, Any] = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))


def test_the_built_files_are_of_these_sources() -> None:
    names = sorted(["build.mjs", "package-lock.json", "package.json", *(f"src/{one.name}" for one in (FRONTEND / "src").iterdir())])
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n{(FRONTEND / name).read_text(encoding='utf-8')}".encode())
    assert MANIFEST["sources"] == digest.hexdigest(), (
        "the frontend was changed: run npm ci && npm run build in camunda_workers/inbox/frontend"
    )


def test_the_built_files_are_whole_and_small() -> None:
    assert {one.name for one in STATIC.iterdir()} == {*MANIFEST["files"], "manifest.json"}
    for name, about in MANIFEST["files"].items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == about["sha256"], name
    first = sum(MANIFEST["files"][name]["gzip"] for name in ("app.js", "inbox.css"))
    assert first < 40_000
    assert first + sum(MANIFEST["files"][name]["gzip"] for name in ("form.js", "form.css")) < 200_000


def test_licences_go_with_the_files_and_the_lock_names_no_registry() -> None:
    text = (STATIC / "LICENSES.txt").read_text(encoding="utf-8")
    for package in MANIFEST["packages"]:
        assert f"\n{package['name']} {package['version']}\n" in text
    assert text.count("watermark") >= 2
    assert "resolved" not in (FRONTEND / "package-lock.json").read_text(encoding="utf-8")
    for name in ("form.js", "diagram.js"):
        assert "bpmn.io" in (STATIC / name).read_text(encoding="utf-8")


def test_every_language_has_every_text_with_the_same_values() -> None:
    words = Words()
    assert set(words.languages) == {"de", "en"}
    english = words.table("en")
    for language in words.languages:
        table = words.table(language)
        assert set(table) == set(english), language
        for key, text in table.items():
            assert fields(text) == fields(english[key]), (language, key)


def test_every_text_that_is_used_is_there() -> None:
    words = Words()
    for file in (*TEMPLATES.rglob("*.html"), *INBOX.rglob("*.py")):
        for key in re.findall(r"""\b(?:t|say)\(['"]([a-z.\-]+[a-z])['"]\s*[,)]""", file.read_text(encoding="utf-8")):
            assert words.has(key), f"{file.name}: {key}"


def test_a_project_may_add_a_language(tmp_path: Path) -> None:
    (tmp_path / "fr.toml").write_text('language = "Français"\nyes = "oui"\n', encoding="utf-8")
    words = Words(tmp_path)
    assert words.choose(None, "fr-CA, en;q=0.5") == "fr"
    assert words.say("fr", "yes") == "oui"
    assert words.say("fr", "no") == "no"
    assert words.choose("xx", "xx, de;q=0.8") == "de"


@pytest.mark.parametrize("name", [one.name for one in (FRONTEND / "src").glob("*.js")])
def test_no_script_makes_code_of_text(name: str) -> None:
    text = (FRONTEND / "src" / name).read_text(encoding="utf-8")
    assert "innerHTML" not in text
    assert "eval(" not in text


def fields(text: str) -> set[str]:
    """The names of the values that a text takes."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}
