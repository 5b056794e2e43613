"""Mutants of a decision: one small change each, as whoever keeps the table might make by mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from camunda_workers.testing.diagrams import tidy
from camunda_workers.testing.mutate_parts import Change, Node, other_comparisons

_RANGE = re.compile(r"(?P<open>[\[\](])(?P<low>[^\[\]()]+?)\.\.(?P<high>[^\[\]()]+?)(?P<close>[\[\])])")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def decision_changes(root: Node) -> Iterator[Change]:
    """Every change of a DMN file."""
    for decision in root.iter("{*}decision"):
        identifier = str(decision.get("id"))
        for index, _ in enumerate(decision.iterfind("{*}decisionTable/{*}rule")):
            yield from _rule(decision, identifier, index)
        expression = decision.find("{*}literalExpression/{*}text")
        if expression is not None:
            for how, new in other_comparisons(expression.text or ""):
                yield Change(
                    f"the expression of the decision '{identifier}' {how}",
                    identifier,
                    frozenset({watch_decision(identifier)}),
                    _set_text(identifier, "{*}literalExpression/{*}text", 0, new),
                )


def watch_decision(decision_id: str) -> str:
    """How a trace says that a decision was evaluated."""
    return f"decision:{decision_id}"


def watch_rule(decision_id: str, index: int) -> str:
    """How a trace says that a rule, numbered from 1, matched."""
    return f"rule:{decision_id}:{index}"


def _rule(decision: Node, identifier: str, index: int) -> Iterator[Change]:
    rule = decision.findall("{*}decisionTable/{*}rule")[index]
    name, matched = f"rule {index + 1} of '{identifier}'", frozenset({watch_rule(identifier, index + 1)})
    yield Change(f"{name} is gone", identifier, matched, _remove_rule(identifier, index))
    path = f"{{*}}decisionTable/{{*}}rule[{index + 1}]"
    for place, entry in enumerate(rule.findall("{*}inputEntry/{*}text")):
        text = entry.text or ""
        for how, new in (*other_comparisons(text), *_other_ranges(text)):
            what = f"{name} {how}: '{tidy(new)}' for '{tidy(text)}'"
            # Whoever evaluates the table may notice that a rule matches now, or no longer.
            yield Change(
                what,
                identifier,
                frozenset({watch_decision(identifier)}),
                _set_text(identifier, f"{path}/{{*}}inputEntry/{{*}}text", place, new),
            )
    for place, entry in enumerate(rule.findall("{*}outputEntry/{*}text")):
        text = (entry.text or "").strip()
        if text:
            new = _other_output(text)
            what = f"{name} gives {tidy(new)} for {tidy(text)}"
            yield Change(what, identifier, matched, _set_text(identifier, f"{path}/{{*}}outputEntry/{{*}}text", place, new))


def _other_ranges(text: str) -> Iterator[tuple[str, str]]:
    for found in _RANGE.finditer(text):
        for side, turned in (("open", {"[": "]", "]": "[", "(": "["}), ("close", {"]": "[", "[": "]", ")": "]"})):
            start = found.start(side)
            how = "excludes" if found[side] == ("[" if side == "open" else "]") else "includes"
            yield f"{how} a boundary", f"{text[:start]}{turned[found[side]]}{text[start + 1 :]}"


def _other_output(text: str) -> str:
    if text in ("true", "false"):
        return "false" if text == "true" else "true"
    if _NUMBER.fullmatch(text):
        return f"{text} + 1"
    if _TEXT.fullmatch(text):
        return f'{text[:-1]} (changed)"'
    return "null"


def _decision(root: Node, identifier: str) -> Any:
    return next(one for one in root.iter("{*}decision") if one.get("id") == identifier)


def _remove_rule(identifier: str, index: int) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        rule = _decision(root, identifier).findall("{*}decisionTable/{*}rule")[index]
        rule.getparent().remove(rule)

    return make


def _set_text(identifier: str, path: str, place: int, text: str) -> Callable[[Node], None]:
    def make(root: Node) -> None:
        _decision(root, identifier).findall(path)[place].text = text

    return make
