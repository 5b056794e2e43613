"""Who is asking: an authenticated person, as the identity provider says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.duties.identity import folded


@dataclass(frozen=True)
class Caller:
    """A person who is logged in. Never made from what a request says about itself.

    Attributes:
        user: the user name; becomes the assignee.
        groups: the person's groups, matched with tasks' candidate groups; ``None`` where nobody has said: the project file's then.
        tenants: whose tasks the person may see; ``None`` where there are no tenants.
        source: who says so: a ``login`` vouches for the groups; what somebody has ``said`` shows them their tasks, but no rule goes by it.
    """

    user: str
    groups: frozenset[str] | None = None
    tenants: frozenset[str] | None = None
    source: Literal["login", "said"] = "login"

    def __post_init__(self) -> None:
        if not folded(self.user):
            raise InvalidArgument("a caller has a user name: who completes a task must be known")

    @property
    def vouched_groups(self) -> frozenset[str] | None:
        """The groups that rules may go by."""
        return self.groups if self.source == "login" else None

    def is_(self, user: str | None) -> bool:
        """Whether a user name is this person's, however it is spelt."""
        return user is not None and folded(user) == folded(self.user)
