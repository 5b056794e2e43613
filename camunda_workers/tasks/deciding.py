"""Tasks that one word completes: which decisions a form takes alone, and what they were offered for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from camunda_workers.client import Form
from camunda_workers.errors import CamundaWorkersError, InvalidArgument
from camunda_workers.tasks.access import OVER
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.duties.identity import folded
from camunda_workers.tasks.forms.data import put
from camunda_workers.tasks.forms.options import options_of
from camunda_workers.tasks.forms.schema import Field, FormModel, Kind, read_form
from camunda_workers.tasks.notes import TaskNotes
from camunda_workers.tasks.notifications.words import decision_words
from camunda_workers.tasks.work import revision_of

MOST_CHOICES: Final = 10
_CHOOSING: Final = frozenset({"radio", "select"})


@dataclass(frozen=True)
class Choice:
    """A decision.

    Attributes:
        value: what the form's field becomes.
        label: as the form shows it.
        words: what people may write for it, as `said` has them; the first one is shown.
    """

    value: str | bool | int | float
    label: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """Decisions that are offered to somebody.

    Attributes:
        path: the field that they are values of, with dots.
        revision: the state of the task; see `revision_of`.
    """

    task_key: int
    recipient: str
    path: str
    revision: str
    choices: tuple[Choice, ...]

    def chosen(self, line: str) -> Choice | None:
        """The decision that a line is, and nothing but."""
        text = said(line)
        return next((one for one in self.choices if text in one.words), None)

    def entered(self, choice: Choice) -> dict[str, Any]:
        """What the form is filled in with."""
        result: dict[str, Any] = {}
        put(result, tuple(self.path.split(".")), choice.value)
        return result


def said(text: str) -> str:
    """One spelling for what people write."""
    return folded(" ".join(text.split()))


class TaskDeciding(TaskNotes):
    """What can be decided without looking at the form."""

    async def offered(self, recipient: str, key: int, fields: Mapping[str, str] | None = None) -> Offer | None:
        """The decisions that somebody could complete a task with in one word, each tried on its form; ``None`` where there is none.

        A task has some if it is that person's, its case is not sensitive (that one is looked at first, which is written down), and its form has
        exactly one required field with a choice, and takes what is chosen there with nothing else entered.

        Args:
            recipient: who would decide.
            key: the task.
            fields: the deciding field, by ``element`` or ``process/element``, where the form alone does not say it.
        """
        caller = Caller(recipient, source="said")
        task = await self._visible(caller, key)
        if task.state in OVER or not caller.is_(task.assignee):
            return None
        delegation = await self._store.delegations.open_one(key)
        form = await self._client.get_user_task_form(key)
        if form is None or (delegation is not None and delegation.kind == "DELEGATED"):
            return None
        seen = await self._variables(task)
        if await self.mark_of(task, seen) is not None:
            return None
        named = fields or {}
        wanted = named.get(f"{task.process_definition_id}/{task.element_id}") or named.get(task.element_id)
        try:
            found = _deciding_field(read_form(form.schema, name=form.form_id), wanted)
        except CamundaWorkersError:
            return None
        if found is None:
            return None
        field, path = found
        values = options_of(field, seen, self._feel) if not field.raw.get("valuesExpression") else []
        choices = [Choice(value, _label_of(field, value), ()) for value in values if isinstance(value, str | bool | int | float)]
        offer = Offer(key, recipient, path, revision_of(task, form, seen), tuple(choices[:MOST_CHOICES]))
        taken = [one for one in offer.choices if await self._takes(task, form, seen, offer.entered(one))]
        spoken = _with_words(taken)
        return Offer(key, recipient, path, offer.revision, spoken) if spoken else None

    async def _takes(self, task: Any, form: Form, seen: Mapping[str, Any], entered: Mapping[str, Any]) -> bool:
        try:
            await self._checked(task, form, seen, entered)
        except InvalidArgument:
            return False
        return True


def _deciding_field(model: FormModel, wanted: str | None) -> tuple[Field, str] | None:
    fields = [(one, ".".join(path)) for one, path in _single_fields(model.root, ())]
    if wanted is not None:
        return next(((one, path) for one, path in fields if path == wanted and one.type in _CHOOSING), None)
    required = [
        (one, path) for one, path in fields if one.rules.get("required") and not one.disabled and one.readonly is not True and not one.hide
    ]
    return required[0] if len(required) == 1 and required[0][0].type in _CHOOSING else None


def _single_fields(components: Sequence[Field], base: tuple[str, ...]) -> list[tuple[Field, tuple[str, ...]]]:
    """Every field that is there once, and where its value is."""
    found: list[tuple[Field, tuple[str, ...]]] = []
    for one in components:
        path = (*base, *one.own_path)
        if one.kind is Kind.KEYED:
            found.append((one, path))
        elif one.kind is Kind.GROUP:
            found += _single_fields(one.children, path)
    return found


def _label_of(field: Field, value: object) -> str:
    given: Any = field.raw.get("values") or ()
    for one in given:
        if isinstance(one, Mapping) and one.get("value") == value and isinstance(one.get("label"), str):  # pyright: ignore[reportUnknownMemberType]
            return str(one["label"])  # pyright: ignore[reportUnknownArgumentType]
    return str(value)


def _with_words(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The choices with what people may write for them; what could mean two of them means none."""
    words = {one: [said(word) for word in (*decision_words(one.value), one.label, str(one.value)) if said(word)] for one in choices}
    spoken: list[Choice] = []
    for one in choices:
        others = {word for other in choices if other is not one for word in words[other]}
        own = tuple(dict.fromkeys(word for word in words[one] if word not in others))
        if own:
            spoken.append(Choice(one.value, one.label, own))
    return tuple(spoken)
