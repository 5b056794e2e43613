"""Whoever looks at a sensitive case from the command line is written down, as in the inbox: first, or nothing is shown."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.events import EventLog


async def looked_at(
    log: EventLog, business_id: str, instances: Sequence[int], what: str, *, user: str | None = None, data_dir: Path | None = None
) -> None:
    """Write down that somebody looks at a case, if the project in or above this folder marks it as sensitive.

    Args:
        log: has the case.
        business_id: the case.
        instances: its process instances.
        what: ``case``, or ``export`` for its evidence.
        user: who looks; ``CAMUNDA_WORKERS_USER`` or the account of the operating system otherwise.
        data_dir: where the task store is, where the environment names none.

    Raises:
        ReadModelError: it cannot be written down.
    """
    from camunda_workers.cli.task_session import shown_here
    from camunda_workers.clock import SystemClock
    from camunda_workers.tasks.case_marks import mark_of_case
    from camunda_workers.tasks.duties.sink import Fact
    from camunda_workers.tasks.sensitive import VIEWED
    from camunda_workers.tasks.store import DEFAULT_FILE, TaskStore

    mark = await mark_of_case(log, shown_here(), instances)
    if mark is None:
        return
    settings = Settings()
    where = settings.task_store or (data_dir if data_dir is not None else settings.data_dir) / DEFAULT_FILE
    who = user or settings.user or getpass.getuser()
    data = {"what": what, "mark": mark, "about": "command line"}
    async with TaskStore(where) as store:
        await store.ledger.record(Fact(VIEWED, SystemClock().now(), who, data, None, min(instances), business_id))
