"""Which tasks somebody looks at: scope, filters, order and search, as they stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, Self, cast
from urllib.parse import urlencode

from camunda_workers.inbox.addresses import number_in
from camunda_workers.tasks import looks
from camunda_workers.tasks.looks import ORDERS, OVERDUE, UNDATED, Order

Scope = Literal["mine", "team", "standing-in", "delegated", "all"]
SCOPES: Final[tuple[Scope, ...]] = ("mine", "team", "standing-in", "delegated", "all")
DUES: Final = ("", OVERDUE, UNDATED)
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
    sort: Order = "slack"
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
            sort=cast("Order", sort) if sort in ORDERS else "slack",
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
        """As the task service's filter; words are searched for beside it."""
        return looks.chosen(now, element=self.element, due=self.due)


_USUAL: Final[Mapping[str, Any]] = asdict(Look())
