"""Who is asking: an authenticated person, as the identity provider says."""

from __future__ import annotations

from dataclasses import dataclass

from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.duties.identity import folded


@dataclass(frozen=True)
class Caller:
    """A person who is logged in. Never made from what a request says about itself.

    Attributes:
        user: the user name; becomes the assignee.
        groups: the person's groups, matched with tasks' candidate groups; ``None`` where nobody has said: the project file's then.
        tenants: whose tasks the person may see; ``None`` where there are no tenants.
    """

    user: str
    groups: frozenset[str] | None = None
    tenants: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not folded(self.user):
            raise InvalidArgument("a caller has a user name: who completes a task must be known")

    def is_(self, user: str | None) -> bool:
        """Whether a user name is this person's, however it is spelt."""
        return user is not None and folded(user) == folded(self.user)
