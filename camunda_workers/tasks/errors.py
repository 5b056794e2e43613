"""What goes wrong with human tasks, as branches of the package's error tree.

::

    InvalidState
    ├── TaskTaken            somebody else has the task (says who)
    ├── TaskChanged          it is not what was decided on any more
    ├── TaskClosed           it is completed or cancelled already (says by whom, where that is known)
    └── Outdated             a draft was saved meanwhile, in another tab or by another hand
    PermissionDenied
    ├── DutyDenied           a rule of ``[duties]`` says no (carries the decision)
    └── LinkRefused          a link in a notification is not valid for this person, or not any more
    InvalidArgument
    ├── FormRejected         what was entered does not fit the form (path -> messages)
    └── FileRefused          an attachment is too large, of a wrong kind or hostile
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from camunda_workers.errors import InvalidArgument, InvalidState, PermissionDenied

if TYPE_CHECKING:
    from camunda_workers.tasks.duties.facts import Decision
    from camunda_workers.tasks.forms.messages import Message


class TaskTaken(InvalidState):
    """Somebody else has the task.

    Attributes:
        by: who has it, as far as that is known already.
    """

    def __init__(self, key: int, by: str | None) -> None:
        who = f"{by} has it" if by else "somebody else took it a moment ago"
        super().__init__(f"task {key} is not yours: {who}")
        self.by = by


class TaskClosed(InvalidState):
    """The task is completed or cancelled already."""

    def __init__(self, key: int, state: str, by: str | None) -> None:
        super().__init__(f"task {key} is {state.lower()} already" + (f", by {by}" if by else ""))
        self.state = state
        self.by = by


class TaskChanged(InvalidState):
    """The task, its form or what it sees is not what it was when it was offered for a decision."""

    def __init__(self, key: int) -> None:
        super().__init__(f"task {key} has changed since it was decided on: look at it again")


class Outdated(InvalidState):
    """What is saved is newer than what this change was made from.

    Attributes:
        revision: the newest one.
    """

    def __init__(self, key: int, revision: int) -> None:
        super().__init__(f"the draft of task {key} was saved in another place meanwhile: load it (revision {revision}) and save again")
        self.revision = revision


class DutyDenied(PermissionDenied):
    """A rule of ``[duties]`` says no.

    Attributes:
        decision: every rule that was asked, with its answer.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.text)
        self.decision = decision


class LinkRefused(PermissionDenied):
    """A link from a notification cannot be used.

    Attributes:
        reason: ``forged``, ``expired``, ``used`` or ``recipient``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class FormRejected(InvalidArgument):
    """What was entered does not fit the form.

    Attributes:
        problems: the field's path in the data (``assessment.amount``, ``items.0.name``) and what is wrong there.
    """

    def __init__(self, problems: Mapping[str, Sequence[Message]]) -> None:
        shown = "; ".join(f"{path}: {' '.join(messages)}" for path, messages in problems.items())
        super().__init__(f"the form is not filled in correctly: {shown}")
        self.problems: dict[str, tuple[Message, ...]] = {path: tuple(messages) for path, messages in problems.items()}

    def in_language(self, language: str) -> dict[str, list[str]]:
        """The messages in a language, English where there is no other."""
        return {path: [message.in_language(language) for message in messages] for path, messages in self.problems.items()}


class FileRefused(InvalidArgument):
    """A file that is not taken: too large, of a wrong kind, or made to do harm."""
