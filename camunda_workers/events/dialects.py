"""Conditions that SQLite and PostgreSQL word differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Condition(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: compared with 1, as SQLAlchemy compares what SQLite has for a truth, it would be no use for an index."""
        return self


class Common(_Condition):
    """A condition that holds for many rows."""

    name = "common"
    inherit_cache = True


def common(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition; SQLite, which has no statistics here and takes every index for as good as every other, is told that many rows fulfil it."""
    return Common(condition)


class Like(_Condition):
    """A text with wildcards matches."""

    name = "wildcards"
    inherit_cache = True


def like(column: ColumnElement[Any], wildcards: str) -> ColumnElement[bool]:
    """Whether a text matches Camunda's wildcards, with case: ``*``, ``?``; a backslash before one means itself."""
    return Like(column, literal(_glob(wildcards)), literal(_like(wildcards)))


@compiles(Common)
def _as_it_stands(element: Common, compiler: Any, **given: Any) -> str:
    return compiler.process(element.clauses, **given)


@compiles(Common, "sqlite")
def _likely(element: Common, compiler: Any, **given: Any) -> str:
    return f"likelihood({compiler.process(element.clauses, **given)}, 0.01)"


@compiles(Like)
def _with_like(element: Like, compiler: Any, **given: Any) -> str:
    column, _, pattern = element.clauses
    return f"({compiler.process(column, **given)}) LIKE {compiler.process(pattern, **given)}"


@compiles(Like, "sqlite")
def _with_glob(element: Like, compiler: Any, **given: Any) -> str:
    # SQLite's LIKE does not mind case.
    column, pattern, _ = element.clauses
    return f"({compiler.process(column, **given)}) GLOB {compiler.process(pattern, **given)}"


def _glob(wildcards: str) -> str:
    result: list[str] = []
    characters = iter(wildcards)
    for character in characters:
        if character == "\\":
            following = next(characters, "\\")
            result.append(f"[{following}]" if following in "*?[" else following)
        else:
            result.append("[[]" if character == "[" else character)
    return "".join(result)


def _like(wildcards: str) -> str:
    result: list[str] = []
    characters = iter(wildcards)
    for character in characters:
        if character == "\\":
            character = next(characters, "\\")
        elif character in "*?":
            result.append("%" if character == "*" else "_")
            continue
        result.append(f"\\{character}" if character in "%_\\" else character)
    return "".join(result)
