"""A claims office with a past: a million tasks in the read model, a hundred thousand of them open, some of those with their whole case.

A real claim is run on the real engine up to its assessment. Its records, told again with other keys as those of a second partition, are whole
cases: they go through the log and the projections as any record does. All other tasks are rows of the projections, made by the database
itself: what lists are chosen and counted from is the same, and it takes seconds instead of hours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, select, text

from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.database import Database
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.events.projections.work import variables

PARTITION: Final = 2
FIRST_KEY: Final = PARTITION << 51
ROWS_FROM: Final = FIRST_KEY + 10**12
"""Where the keys of rows without records begin."""
STEP: Final = 16

GROUPS: Final = ("claims-assessors", *(f"queue-{number}" for number in range(1, 20)))
USERS: Final = 500
_DAY: Final = 86_400_000


class Case:
    """The records of one case that waits at its assessment.

    Args:
        lines: every record of its process instance.
    """

    def __init__(self, lines: list[str]) -> None:
        records: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self._records = [one for one in records if one["recordType"] == "EVENT"]
        own = {one["key"] for one in self._records} | {one["value"].get("processInstanceKey", -1) for one in self._records}
        deployed = {one["value"].get(name, -1) for one in self._records for name in ("processDefinitionKey", "formKey")}
        self._keys = sorted(key for key in own - deployed if key > 0)
        tags: set[str] = {str(tag) for one in records for tag in one["value"].get("tags") or ()}
        (business_id,) = {tag.partition(":")[2] for tag in tags if "businessId" in tag}
        pattern = "|".join(map(str, self._keys)) + f"|{business_id}"
        self._pieces = [re.split(f"({pattern})", json.dumps(one)) for one in self._records]
        self._business_id = business_id
        task = next(one for one in self._records if one["valueType"] == "USER_TASK")
        self.task_offset, self.instance_offset = self._keys.index(task["key"]), self._keys.index(task["value"]["processInstanceKey"])

    def told(self, number: int, position: int, now: int) -> Iterator[str]:
        """The case again, with keys of its own."""
        base = FIRST_KEY + number * 1000
        names = {str(key): str(base + offset) for offset, key in enumerate(self._keys)} | {self._business_id: f"CLM-9{number:05d}"}
        for offset, pieces in enumerate(self._pieces):
            line = "".join(names.get(piece, piece) for piece in pieces)
            record = json.loads(line) | {"position": position + offset, "partitionId": PARTITION}
            if record["valueType"] == "USER_TASK":
                record["value"]["dueDate"] = datetime.fromtimestamp((now + (number * 7919 % 5000) * 60_000) / 1000, UTC).isoformat()
            yield json.dumps(record)

    def task_key(self, number: int) -> int:
        """The key of a case's task."""
        return FIRST_KEY + number * 1000 + self.task_offset

    def __len__(self) -> int:
        return len(self._pieces)


async def tell_cases(log: EventLog, case: Case, count: int, now: int) -> list[int]:
    """Write whole cases into the log and fold them; their tasks' keys."""
    position, lines = 1, list[str]()
    for number in range(count):
        lines += case.told(number, position, now)
        position += len(case)
        if len(lines) >= 5000:
            await log.append(lines, partition=PARTITION)
            lines.clear()
    await log.append(lines, partition=PARTITION)
    await ReadModel(log, partition=PARTITION).catch_up()
    return [case.task_key(number) for number in range(count)]


async def make_rows(database: Database, like: int, done: int, open_ones: int, now: int) -> None:
    """Make rows of tasks and cases.

    Args:
        database: the log's.
        like: the key of the task whose definition they share.
        done: how many completed ones.
        open_ones: how many open ones; half of them are somebody's, a fifth of all is for the assessors.
        now: the engine's time, in milliseconds.
    """

    def write(connection: Connection) -> None:
        task = dict(connection.execute(select(user_tasks).where(user_tasks.c.key == like)).mappings().one())
        case = dict(
            connection.execute(select(process_instances).where(process_instances.c.key == task["process_instance_key"])).mappings().one()
        )
        claims = connection.execute(
            select(variables).where(variables.c.scope_key == task["process_instance_key"], variables.c.name == "claim")
        )
        claim = dict(claims.mappings().one())
        key = f"({ROWS_FROM} + n * {STEP})"
        group = "CASE WHEN n % 5 = 0 THEN 0 ELSE n % 19 + 1 END"
        names = "CASE " + " ".join(f"WHEN {group} = {number} THEN '[\"{name}\"]'" for number, name in enumerate(GROUPS)) + " END"
        born = f"{now} - (n % 40) * {_DAY}"
        common = {"key": f"{key} + 1", "process_instance_key": key, "element_instance_key": f"{key} + 2"}
        common |= {"candidate_groups": names, "queue": names, "priority": "CASE WHEN n % 50 = 0 THEN 90 ELSE 50 END"}
        common |= {"element_id": "CASE WHEN n % 3 = 0 THEN 'approve-payment' ELSE 'assess-claim' END"}
        someone = f"'user-' || (n % {USERS})"
        opened = common | {"state": "'CREATED'", "assignee": f"CASE WHEN n % 2 = 0 THEN {someone} END", "ended_at": "NULL"}
        opened |= {
            "created_at": born,
            "due_at": f"{now} + ((n * 7919) % 20160 - 2880) * 60000",
            "assigned_at": "NULL",
            "completed_by": "NULL",
        }
        ended = f"{born} - {30 * _DAY}"
        closed = common | {"state": "'COMPLETED'", "assignee": someone, "completed_by": someone, "due_at": ended, "ended_at": ended}
        closed |= {"created_at": f"{ended} - {2 * _DAY}", "assigned_at": f"{ended} - (n % 240 + 10) * 60000"}
        business = "'CLM-8' || n"
        _make(connection, user_tasks, task, opened, 0, open_ones)
        _make(connection, user_tasks, task, closed, open_ones, open_ones + done)
        instance = {"key": key, "business_id": business, "tags": "'[]'", "started_at": born, "root_process_instance_key": key}
        _make(connection, process_instances, case, instance, 0, open_ones)
        _make(connection, process_instances, case, instance | {"state": "'COMPLETED'", "ended_at": ended}, open_ones, open_ones + done)
        _make(connection, variables, claim, {"key": f"{key} + 3", "scope_key": key, "process_instance_key": key}, 0, open_ones)

    await database.write(write)
    await database.maintain("VACUUM ANALYZE" if database.is_postgresql else "ANALYZE")


def _make(connection: Connection, table: Table, like: dict[str, Any], different: dict[str, str], begin: int, end: int) -> None:
    """Rows like one row, save for what is different: SQL over ``n``, which counts from ``begin`` to before ``end``."""
    values = {name: different.get(name, f":{name}") for name in like}
    given = {name: value for name, value in like.items() if name not in different}
    counted = (
        f"generate_series(CAST({begin} AS bigint), {end - 1}) AS counted(n)"
        if connection.dialect.name == "postgresql"
        else f"(WITH RECURSIVE counted(n) AS (SELECT {begin} UNION ALL SELECT n + 1 FROM counted WHERE n < {end - 1}) SELECT n FROM counted)"
    )
    casts = {column.name: column.type.compile(connection.dialect) for column in table.columns}
    chosen = ", ".join(value if name in different else f"CAST({value} AS {casts[name]})" for name, value in values.items())
    columns = ", ".join(f'"{name}"' for name in values)
    connection.execute(text(f'INSERT INTO "{table.name}" ({columns}) SELECT {chosen} FROM {counted}'), given)
