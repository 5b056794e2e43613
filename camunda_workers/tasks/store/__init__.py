"""The task store: drafts, comments, attachments, delegations, absences, approvals, and facts about decisions."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from camunda_workers.settings import Settings
from camunda_workers.tasks.store.attachments import Attachments
from camunda_workers.tasks.store.comments import Comments
from camunda_workers.tasks.store.database import DEFAULT_FILE, StoreDatabase
from camunda_workers.tasks.store.delegations import Delegations
from camunda_workers.tasks.store.drafts import Drafts
from camunda_workers.tasks.store.filters import Filters
from camunda_workers.tasks.store.ledger import Ledger

__all__ = ["DEFAULT_FILE", "TaskStore", "store_of"]


def store_of(settings: Settings) -> Path | str:
    """Where the environment says that the task store is: a database, or a file in the data folder."""
    return settings.task_store or settings.data_dir / DEFAULT_FILE


class TaskStore:
    """Everything about tasks that the engine does not keep.

    Args:
        where: a file, ``":memory:"``, or a database URL.
        files: the folder for attached files; beside the database file when not given.
    """

    def __init__(self, where: Path | str = ":memory:", *, files: Path | None = None) -> None:
        self.database = StoreDatabase(where)
        beside = Path(where).parent / "attachments" if self.database.is_sqlite and str(where) != ":memory:" else None
        self.drafts = Drafts(self.database)
        self.filters = Filters(self.database)
        self.comments = Comments(self.database)
        self.delegations = Delegations(self.database)
        self.ledger = Ledger(self.database)
        self.attachments = Attachments(self.database, files or beside)

    async def __aenter__(self) -> Self:
        try:
            self.database.create()
        except BaseException:
            await self.database.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.database.close()
