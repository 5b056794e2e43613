"""Our table of form-js's components is form-js's own, as the installed version has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.errors import BadResource
from camunda_workers.tasks.forms.check import check_form
from camunda_workers.tasks.forms.feel import feel_here
from camunda_workers.tasks.forms.schema import COMPONENTS, EMPTY, Kind, read_form

pytestmark = pytest.mark.unit
VIEWER = Path(__file__).parents[2] / "camunda_workers/inbox/frontend/node_modules/@bpmn-io/form-js-viewer/dist/index.es.js"

KEYED = ["checkbox", "checklist", "datetime", "expression", "filepicker", "number", "radio", "select", "taglist", "textarea", "textfield"]
SHOWN = ["button", "documentPreview", "html", "iframe", "image", "separator", "spacer", "table", "text"]


def test_every_component_has_its_kind() -> None:
    expected = dict.fromkeys(KEYED, Kind.KEYED) | dict.fromkeys(SHOWN, Kind.SHOWN) | {"group": Kind.GROUP, "dynamiclist": Kind.LIST}
    assert dict(COMPONENTS) == expected


@pytest.mark.skipif(
    not VIEWER.is_file(), reason="the inbox's libraries for browsers are not unpacked here (npm ci in camunda_workers/inbox/frontend)"
)
def test_the_table_is_that_of_the_installed_form_js() -> None:
    source = VIEWER.read_text(encoding="utf-8")
    names = dict(re.findall(r"^const (type(?:\$\w+)?) = '(\w+)';", source, re.MULTILINE))
    found: dict[str, Kind] = {}
    empty: dict[str, str] = {}
    for one in re.finditer(r"^\w+\.config = \{\n  (type(?:: '?[\w$]+'?)?),(.*?)^  create", source, re.MULTILINE | re.DOTALL):
        type_ = names.get(said := one[1].removeprefix("type: "), said.strip("'"))
        keyed, pathed, rows = (f"{word}: true" in one[2] for word in ("keyed", "pathed", "repeatable"))
        found[type_] = Kind.LIST if rows else Kind.GROUP if pathed else Kind.KEYED if keyed else Kind.SHOWN
        if (value := re.search(r"emptyValue: (.+?),\n", one[2])) is not None:
            empty[type_] = value[1]
    # "default" is the form itself, never a component in one.
    assert found.pop("default") is Kind.SHOWN
    assert found == dict(COMPONENTS)
    same: dict[str, Any] = {"''": "", "[]": [], "null": None, "false": False}
    assert {type_: same[value] for type_, value in empty.items()} == {type_: EMPTY.get(type_) for type_ in empty}


@pytest.mark.parametrize("type_", ["default", "tree", "signature", "Textfield", "", None, 7])
def test_anything_else_is_refused_by_name(type_: object) -> None:
    schema = {"id": "f", "components": [{"id": "Field_1", "type": type_, "key": "a"}]}
    with pytest.raises(BadResource, match=f"'Field_1' is of the type '{type_}'"):
        read_form(schema)
    (problem,) = check_form(schema, feel_here(), name="a.form")
    assert "Field_1" in problem
