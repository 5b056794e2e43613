"""Which files are deployed, and which are refused before anything is sent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from camunda_workers.client.deploy import Resource, check, collect, rejection
from camunda_workers.errors import BadResource

BPMN = '<d:definitions xmlns:d="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><d:process id="p" isExecutable="true"/></d:definitions>'
DMN = '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="D" name="D" namespace="n"/>'
FORM = '{"id": "f", "type": "default", "components": []}'
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">&c;</definitions>'
)


def test_a_folder_means_what_is_in_it_and_below(tmp_path: Path) -> None:
    for name, text in {
        "b.bpmn": BPMN,
        "deep/er/a.dmn": DMN,
        "deep/c.FORM": FORM,
        ".hidden.bpmn": "broken",
        ".git/x.bpmn": "broken",
        "notes.txt": "x",
        "deep/scenario.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [resource.name for resource in collect([tmp_path])] == ["b.bpmn", "c.FORM", "a.dmn"]
    assert [resource.name for resource in collect([tmp_path, tmp_path / "b.bpmn", Resource("z.form", FORM.encode())])][-1] == "z.form"


def test_two_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "a.bpmn", tmp_path / "sub" / "a.bpmn"):
        path.write_text(BPMN)
    with pytest.raises(BadResource, match="has the same name as"):
        collect([tmp_path])


def test_nothing_to_deploy(tmp_path: Path) -> None:
    with pytest.raises(BadResource, match="no such file or folder"):
        collect([tmp_path / "gone.bpmn"])
    with pytest.raises(BadResource, match=r"has no \.bpmn"):
        collect([tmp_path])
    with pytest.raises(BadResource, match="nothing to deploy"):
        collect([])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.bpmn", LAUGHS, "DOCTYPE"),
        ("a.bpmn", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "DOCTYPE"),
        ("a.dmn", "<!DOCTYPE x><x/>", "DOCTYPE"),
        ("a.bpmn", "<a" * 3, "not well-formed"),
        ("a.bpmn", "<a><b></a>", "not well-formed"),
        ("a.bpmn", '<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed"),
        ("a.bpmn", "<a>" * 100_000, "nested deeper"),
        ("a.bpmn", "", "empty"),
        ("a.bpmn", "<svg/>", "is not BPMN: its root is <svg>"),
        ("a.bpmn", BPMN.replace('isExecutable="true"', ""), "no executable process.*'p'.*isExecutable"),
        ("a.bpmn", BPMN.replace('isExecutable="true"', "").replace("<d:process", '<d:process xmlns:camunda="x"'), "no executable process"),
        (
            "a.bpmn",
            BPMN.replace('isExecutable="true"', "").replace(
                "targetNamespace", 'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace'
            ),
            "Camunda 7",
        ),
        ("a.dmn", BPMN, "is not DMN"),
        ("a.form", "<a/>", "not JSON"),
        ("a.form", '{"id": NaN}', "NaN is not JSON"),
        ("a.form", "[" * 100_000, "not JSON"),
        ("a.form", "[]", "is not a form"),
        ("a.form", '{"components": []}', "no 'id'"),
        ("a.form", '{"id": "f"}', "no list 'components'"),
        ("a.txt", "x", "the engine takes"),
    ],
)
def test_what_is_refused(name: str, content: str, reason: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(BadResource, match=reason) as caught:
        check(Resource(name, content.encode()))
    assert time.perf_counter() - begun < 1
    assert caught.value.resource == name


def test_a_doctype_does_not_hide_in_another_encoding() -> None:
    with pytest.raises(BadResource, match="DOCTYPE"):
        check(Resource("a.bpmn", '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>'.encode("utf-16")))


def test_what_may_go() -> None:
    check(Resource("a.bpmn", BPMN.encode()))
    check(Resource("a.bpmn", ('<?xml version="1.0" encoding="UTF-16"?>' + BPMN).encode("utf-16")))
    check(Resource("a.dmn", DMN.encode()))
    check(Resource("a.form", b"\xef\xbb\xbf" + FORM.encode()))


SENT = [Resource("a.bpmn", b""), Resource("b.bpmn", b"")]
HEAD = "DeployResource: Expected to deploy new resources, but encountered the following errors:\n"


def test_one_element_at_fault() -> None:
    error = rejection(f"{HEAD}'b.bpmn': - Element: t > taskDefinition\n    - ERROR: Must have exactly one 'x'\n", SENT)
    assert (error.resource, error.element) == ("b.bpmn", "t")
    assert str(error) == "b.bpmn, element 't': the engine refused it: Must have exactly one 'x'"


def test_several_at_fault() -> None:
    text = f"{HEAD}'a.bpmn': - Element: t\n    - ERROR: one\n- Element: u\n    - ERROR: two\n\n'b.bpmn': - Element: v\n    - ERROR: three\n"
    error = rejection(text, SENT)
    assert (error.resource, error.element) == ("a.bpmn", None)
    assert all(word in str(error) for word in ("Element: t", "one", "Element: u", "two", "'b.bpmn'", "three"))


def test_words_without_an_element() -> None:
    error = rejection(f"{HEAD}'a.bpmn': Error: URI=null Line=6: cvc-id.1: There is no ID/IDREF binding for IDREF 'zzz'.\n", SENT)
    assert (error.resource, error.element) == ("a.bpmn", None)
    assert "IDREF 'zzz'" in str(error)


def test_words_without_a_file() -> None:
    assert rejection("something else", SENT).resource == "deployment"
    assert rejection("something else", SENT[:1]).resource == "a.bpmn"
    assert rejection("the form in b.bpmn is odd", SENT).resource == "b.bpmn"
