"""Lists of tasks out of a log in PostgreSQL: the same as counting by hand there, too."""

from __future__ import annotations

import pytest

from camunda_workers.events import EventLog
from tests.support.postgres_server import postgres_server
from tests.unit.test_tasks_queue import check_pages, check_words

pytestmark = pytest.mark.postgres


async def test_pages_are_the_whole_in_order_and_nothing_else() -> None:
    with postgres_server() as server:
        async with EventLog.open(server.new_database()) as log:
            await check_pages(log)


async def test_words_are_found_in_all_tasks_and_nowhere_else() -> None:
    with postgres_server() as server:
        async with EventLog.open(server.new_database()) as log:
            await check_words(log)
