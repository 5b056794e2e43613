"""Which tasks somebody looks at: scope, filters, order and search, as they stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

from camunda_workers.inbox.addresses import number_in
from camunda_workers.tasks.queue import SLACK

Scope = Literal["mine", "team", "standing-in", "delegated", "all"]
Sort = Literal["slack", "due", "priority", "newest", "oldest"]
SCOPES: Final[tuple[Scope, ...]] = ("mine", "team", "standing-in", "delegated", "all")
SORTS: Final[Mapping[Sort, tuple[str, ...]]] = {
    "slack": (SLACK, "-priority", "creation_date"),
    "due": ("due_date", "-priority", "creation_date"),
    "priority": ("-priority", "due_date"),
    "newest": ("-creation_date",),
    "oldest": ("creation_date",),
}
DUES: Final = ("", "overdue", "none")
PAGE: Final = 50
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What the list shows.

    Attributes:
        element: only tasks of this element.
        limit: how many at most.
    """

    scope: Scope = "mine"
    sort: Sort = "slack"
    element: str = ""
    due: str = ""
    q: str = ""
    limit: int = PAGE

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Read it from an address; what makes no sense is left out."""
        scope, sort, limit = given.get("scope"), given.get("sort"), given.get("limit", "")
        return cls(
            scope=scope if scope in SCOPES else "mine",
            sort=sort if sort in SORTS else "slack",
            element=given.get("element", "")[:200],
            due=due if (due := given.get("due", "")) in DUES else "",
            q=given.get("q", "").strip()[:200],
            limit=min(number_in(limit) or PAGE, MOST),
        )

    def query(self, **changes: Any) -> str:
        """The address's part behind the question mark; only what is not as always."""
        said = {name: value for name, usual in _USUAL.items() if (value := changes.get(name, getattr(self, name))) != usual}
        return f"?{urlencode(said)}" if said else ""

    @property
    def kept(self) -> dict[str, str]:
        """What a filter that is kept under a name consists of: not how many tasks were shown."""
        return {name: str(getattr(self, name)) for name in ("scope", "sort", "element", "due", "q") if getattr(self, name)}

    @property
    def is_filtered(self) -> bool:
        """Whether something keeps tasks out of the list."""
        return bool(self.element or self.due or self.q)

    def filter(self, now: datetime) -> dict[str, object]:
        """As the task service's filter; the search is done on what is found."""
        found: dict[str, object] = {}
        if self.element:
            found["element_id"] = self.element
        if self.due == "overdue":
            found["due_date"] = {"$lt": now}
        elif self.due == "none":
            found["due_date"] = {"$exists": False}
        return found


_USUAL: Final[Mapping[str, Any]] = asdict(Look())
