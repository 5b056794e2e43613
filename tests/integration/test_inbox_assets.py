"""The built frontend is the one of these sources, and the words are there in every language."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
from importlib.resources import files
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

import pytest

from camunda_workers.events.story import waits as story_waits
from camunda_workers.events.story import work as story_work
from camunda_workers.inbox.views.phrases import PREFIX, Phrases
from camunda_workers.inbox.words import Words
from camunda_workers.tasks import handing
from camunda_workers.tasks.duties import decide
from camunda_workers.tasks.store import content

INBOX = Path(str(files("camunda_workers.inbox")))
FRONTEND, STATIC, TEMPLATES = INBOX / "frontend", INBOX / "static", INBOX / "templates"
MANIFEST: dict[str, Any] = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))


HEAVIEST_TEXT = 12_000
"""More than a task's page with a form has, compressed."""


def weight(*names: str) -> int:
    """The bytes of files on the wire."""
    return sum(MANIFEST["files"][name]["gzip"] for name in names)


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
    first = weight("app.js", "inbox.css")
    assert first < 40_000
    # The heaviest first load: a page with a form, its text included (the journeys measure it on the wire). A calendar comes later, when a day is entered.
    assert first + weight("form.js", "form.css") + HEAVIEST_TEXT < 185_000
    assert weight("calendar.js", "calendar.css") < 20_000


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
            # A sentence of others is taken apart in English; a language may leave out what its readers need not know.
            same = fields(text) <= fields(english[key]) if key.startswith(PREFIX) else fields(text) == fields(english[key])
            assert same, (language, key)


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


def test_no_template_has_words_of_its_own() -> None:
    """Everything people read comes from the words: what is left without tags and expressions has no letters, but for marks."""
    for file in TEMPLATES.rglob("*.html"):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        spoken = re.findall(r"\b(?:aria-label|title|placeholder|alt)=\"([^\"]*)\"", text)
        left = re.sub(r"<(script|svg|kbd)\b.*?</\1>|<[^>]*>|&\w+;", " ", text, flags=re.DOTALL)
        bare = [word for one in (left, *spoken) for word in re.findall(r"[^\W\d_]{2,}", one)]
        assert set(bare) <= {"AI", "KB", "Ctrl"}, file.name


@pytest.mark.parametrize(
    ("said", "german", "english"),
    [
        (
            "grace already completed 'assess-claim': somebody else has to decide here",
            "Grace L. hat „Assess claim“ schon erledigt: Hier entscheidet jemand anders.",
            "Grace L. already completed 'Assess claim': somebody else has to decide here",
        ),
        (
            "grace may decide on up to 90,000, and this is 123,456",
            "Grace L. darf bis 90.000 entscheiden, und hier sind es 123.456.",
            "Grace L. may decide on up to 90,000, and this is 123,456",
        ),
        (
            "your approval is recorded; 1 of 2 approvals: 1 more person has to approve this",
            "Ihre Zustimmung ist vermerkt. 1 von 2 Zustimmungen: Noch eine Person muss zustimmen.",
            "your approval is recorded; 1 of 2 approvals: 1 more person has to approve this",
        ),
        ("something nobody has said before", "something nobody has said before", "something nobody has said before"),
    ],
)
def test_what_others_say_in_english_is_said_in_the_readers_language(said: str, german: str, english: str) -> None:
    phrases, names = Phrases(Words()), {"grace": "Grace L."}
    assert phrases.say("de", said, lambda one: names.get(one, one)) == german
    assert phrases.say("en", said, lambda one: names.get(one, one)) == english


@pytest.mark.parametrize("module", [decide, content, handing, story_work, story_waits])
def test_every_sentence_that_a_rule_a_refusal_or_a_story_has_is_known(module: ModuleType) -> None:
    """Their texts, with something in the place of each value, are found: a sentence that is changed there is changed here, too."""
    phrases = Phrases(Words())
    assert [text for text in told(module) if phrases.say("de", text) == text] == []


def told(module: ModuleType) -> list[str]:
    """The sentences that a module gives to people: refusals and reasons, what a step did, what is waited for."""
    tree = ast.parse(inspect.getsource(module))
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("InvalidArgument", "InvalidState", "FileRefused"):
                found += node.args[:1]
            elif (
                (name == "Reason" and isinstance(node.args[2], ast.Constant) and node.args[2].value is False)
                or name == "tell"
                or name == "_made"
            ):
                found += node.args[3:4]
        elif isinstance(node, ast.Return) and module is content and node.value is not None:
            found.append(node.value)
    return [text for one in found if (text := filled(one)) is not None and " " in text]


def filled(expression: ast.expr) -> str | None:
    """A text with ``7`` for each of its values, but for the name of a listener before it; nothing where it is not written out."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return expression.value
    if isinstance(expression, ast.JoinedStr):
        values = ["" if isinstance(one, ast.FormattedValue) and ast.unparse(one.value) == "listening" else "7" for one in expression.values]
        plain = [str(one.value) if isinstance(one, ast.Constant) else None for one in expression.values]
        return "".join(value if text is None else text for text, value in zip(plain, values, strict=True))
    return None


@pytest.mark.parametrize("name", [one.name for one in (FRONTEND / "src").glob("*.js")])
def test_no_script_makes_code_of_text(name: str) -> None:
    text = (FRONTEND / "src" / name).read_text(encoding="utf-8")
    assert "innerHTML" not in text
    assert "eval(" not in text


def fields(text: str) -> set[str]:
    """The names of the values that a text takes."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}
