"""The coverage page: one HTML file with everything in it, diagrams drawn by bpmn-js (whose licence wants its watermark seen)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

_ASSETS = files("camunda_workers.testing.coverage") / "assets"


def page(facts: Mapping[str, Any], diagrams: Sequence[str]) -> str:
    """The page's HTML.

    Args:
        facts: what ``coverage.json`` holds.
        diagrams: the BPMN files, in the order of ``facts["processes"]``.
    """
    parts = {
        "__FACTS__": _script_safe(facts),
        "__DIAGRAMS__": _script_safe(list(diagrams)),
        "__VIEWER__": _asset("bpmn-navigated-viewer.production.min.js").replace("</script", "<\\/script"),
        "__VIEWER_CSS__": _asset("bpmn-js.css"),
        "__CSS__": _asset("page.css"),
        "__SCRIPT__": _asset("page.js"),
        "__LICENCE__": _asset("LICENSE.bpmn-js").replace("--", "- -"),
    }
    html = _asset("page.html")
    for name, text in parts.items():
        html = html.replace(name, text, 1)
    return html


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _script_safe(value: Any) -> str:
    # Diagrams come from whoever wrote them: nothing in them may end the script element.
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
