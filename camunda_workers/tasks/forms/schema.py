"""A form-js form as the server reads it: which fields there are, where their values are, and what holds for them.

form-js's own registry (``@bpmn-io/form-js-viewer``) decides what is ``keyed`` (has a value at ``key``), ``pathed`` (puts its children's
values below ``path``) and ``repeatable`` (its children exist once per row); the table below says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final, TypeGuard, cast

from camunda_workers.errors import BadResource


class Kind(Enum):
    """What a component is to the data."""

    KEYED = "has a value"
    GROUP = "holds components"
    LIST = "holds components, once per row"
    SHOWN = "only shows something"


COMPONENTS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("textfield", "textarea", "number", "datetime", "checkbox", "radio", "select", "checklist", "taglist"), Kind.KEYED),
    **dict.fromkeys(("expression", "filepicker"), Kind.KEYED),
    **dict.fromkeys(("text", "html", "image", "iframe", "table", "documentPreview", "button", "spacer", "separator"), Kind.SHOWN),
    "group": Kind.GROUP,
    "dynamiclist": Kind.LIST,
}
"""Every component of form-js 1.x."""

CHOICES: Final = frozenset({"radio", "select", "checklist", "taglist"})
SEVERAL: Final = frozenset({"checklist", "taglist"})

EMPTY: Final[Mapping[str, Any]] = {"textfield": "", "textarea": "", "checkbox": False, "checklist": [], "taglist": []}
"""form-js's value of a field that nobody has filled in; ``None`` for the others."""

DEEPEST = 40
"""Components inside components: more is no form but an attack."""


def is_expression(value: object) -> TypeGuard[str]:
    """Whether form-js would evaluate this: a text that begins with ``=``."""
    return isinstance(value, str) and value.startswith("=")


@dataclass(frozen=True, eq=False)
class Field:
    """A component of a form.

    Attributes:
        id: its id in the form.
        type: form-js's type.
        kind: what it is to the data.
        own_path: its ``key`` or ``path``, split at the dots.
        raw: the component as it is in the file.
        children: components inside.
    """

    id: str
    type: str
    kind: Kind
    own_path: tuple[str, ...]
    raw: Mapping[str, Any]
    children: tuple[Field, ...] = ()

    @property
    def label(self) -> str:
        """What it is called on the screen; its key where there is no plain label."""
        label = self.raw.get("label")
        return label if isinstance(label, str) and label and not is_expression(label) else ".".join(self.own_path) or self.id

    @property
    def hide(self) -> str | None:
        """The FEEL condition under which it is not there."""
        conditional = self.raw.get("conditional")
        hide: Any = cast("Mapping[str, Any]", conditional).get("hide") if isinstance(conditional, Mapping) else None
        return hide if isinstance(hide, str) and hide else None

    @property
    def rules(self) -> Mapping[str, Any]:
        """``validate`` of the component."""
        found = self.raw.get("validate")
        return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}

    @property
    def disabled(self) -> bool:
        """Whether its value is neither checked nor submitted."""
        return bool(self.raw.get("disabled"))

    @property
    def readonly(self) -> bool | str:
        """Whether people cannot change its value, or the FEEL expression that says so."""
        readonly = self.raw.get("readonly")
        return str(readonly) if is_expression(readonly) else bool(readonly)

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Every FEEL expression that the server evaluates for this component: the property's name and the expression."""
        candidates: list[tuple[str, object]] = [("conditional.hide", self.hide)]
        if self.kind is Kind.KEYED:
            candidates += [("readonly", self.readonly), ("valuesExpression", self.raw.get("valuesExpression"))]
            candidates += [(f"validate.{name}", self.rules.get(name)) for name in ("min", "max", "minLength", "maxLength")]
            if self.type == "expression":
                candidates.append(("expression", self.raw.get("expression")))
            if self.type == "filepicker":
                candidates.append(("multiple", self.raw.get("multiple")))
        yield from ((name, value) for name, value in candidates if is_expression(value))


@dataclass(frozen=True, eq=False)
class FormModel:
    """A form.

    Attributes:
        id: the form's id.
        root: its components.
    """

    id: str
    root: tuple[Field, ...]

    @cached_property
    def fields(self) -> Sequence[Field]:
        """Every component, outer ones first."""

        def walk(components: Sequence[Field]) -> Iterator[Field]:
            for one in components:
                yield one
                yield from walk(one.children)

        return tuple(walk(self.root))

    @cached_property
    def needs_feel(self) -> bool:
        """Whether a submission cannot be checked without evaluating FEEL."""
        return any(True for field in self.fields for _ in field.expressions())


def read_form(schema: Mapping[str, Any], *, name: str = "") -> FormModel:
    """Read a form-js schema.

    Args:
        schema: the form as JSON.
        name: what to call it in an error; its id when empty.

    Raises:
        BadResource: it is not a form, or has a component that is not one of form-js 1.x; the text names it.
    """
    form_id = schema.get("id")
    shown = name or str(form_id or "form")
    components = schema.get("components")
    if not isinstance(components, list):
        raise BadResource(shown, "is not a form: it has no list of components")
    return FormModel(str(form_id or ""), _read_all(cast("list[object]", components), shown, 0))


def _read_all(components: Sequence[object], form: str, depth: int) -> tuple[Field, ...]:
    if depth > DEEPEST:
        raise BadResource(form, f"has components inside components more than {DEEPEST} levels deep")
    return tuple(_read_one(one, form, depth) for one in components)


def _read_one(component: object, form: str, depth: int) -> Field:
    if not isinstance(component, Mapping):
        raise BadResource(form, "has a component that is not an object")
    raw = cast("Mapping[str, Any]", component)
    type_, id_ = raw.get("type"), str(raw.get("id") or raw.get("key") or "")
    kind = COMPONENTS.get(type_) if isinstance(type_, str) else None
    if not isinstance(type_, str) or kind is None:
        raise BadResource(form, f"component '{id_}' is of the type '{type_}', which is no component of form-js 1.x", element=id_ or None)
    where: Any = raw.get("key") if kind is Kind.KEYED else raw.get("path") if kind in (Kind.GROUP, Kind.LIST) else None
    if kind in (Kind.KEYED, Kind.LIST) and not (isinstance(where, str) and where):
        wanted = "key" if kind is Kind.KEYED else "path"
        raise BadResource(form, f"component '{id_}' ({type_}) has no {wanted}: its value would be nowhere", element=id_ or None)
    path = tuple(where.split(".")) if isinstance(where, str) and where else ()
    if not all(path):
        raise BadResource(form, f"component '{id_}' ({type_}): '{where}' has an empty part", element=id_ or None)
    inner = raw.get("components")
    children = _read_all(cast("list[object]", inner), form, depth + 1) if isinstance(inner, list) else ()
    return Field(id_, type_, kind, path, raw, children)
