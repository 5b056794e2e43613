"""Small decision tables and forms for tests, beside the diagrams."""

from __future__ import annotations

import json


def table(decision_id: str, *, expression: str = "amount", first: str = "&gt; 100", second: str = "", hit_policy: str = "FIRST") -> bytes:
    """Return a DMN file with one decision: ``amount`` makes the band "high" or "low"."""
    rules = "".join(
        f'<rule id="rule-{number}"><inputEntry id="when-{number}"><text>{test}</text></inputEntry>'
        f'<outputEntry id="then-{number}"><text>"{band}"</text></outputEntry></rule>'
        for number, (test, band) in enumerate(((first, "high"), (second, "low")), 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="{decision_id}-file" name="{decision_id.title()}" '
        'namespace="http://camunda.org/schema/1.0/dmn">'
        f'<decision id="{decision_id}" name="{decision_id.title()}"><decisionTable id="table" hitPolicy="{hit_policy}">'
        f'<input id="amount" label="Amount"><inputExpression id="given" typeRef="number"><text>{expression}</text></inputExpression></input>'
        f'<output id="band" label="Band" name="band" typeRef="string"/>{rules}</decisionTable></decision></definitions>'
    ).encode()


def form(form_id: str) -> bytes:
    """Return a form with one text field."""
    field = {"type": "textfield", "id": "field-1", "key": "answer", "label": "Answer"}
    return json.dumps({"id": form_id, "type": "default", "schemaVersion": 16, "components": [field]}).encode()
