"""What makes a case sensitive, out of the event log: any of its process instances, of their user tasks, or of those tasks' forms."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks.sensitive import mark_of, marks_anything, names_needed
from camunda_workers.tasks.shown import values_of
from camunda_workers.tasks.statements import TASKS, among, rows


async def mark_of_case(log: EventLog, section: InboxSection, instances: Sequence[int]) -> str | None:
    """What makes a case sensitive; ``None`` when nothing does.

    Args:
        log: the event log.
        section: the project's ``[inbox]``.
        instances: the case's process instances.
    """
    if not instances or not marks_anything(section):
        return None
    for partition in sorted(set(await log.heads()) - {FACTS_PARTITION}):
        await ReadModel(log, partition=partition).catch_up()
    return await log.database.read(lambda connection: _mark(connection, section, sorted(instances)))


def _mark(connection: Connection, section: InboxSection, instances: Sequence[int]) -> str | None:
    within = among(connection, "key", "keys", instances)
    processes = rows(connection, f"SELECT key, bpmn_process_id FROM process_instances WHERE {within.sql} ORDER BY key", within.values)
    of_them = among(connection, f"{TASKS}.process_instance_key", "keys", instances)
    form = f"(SELECT form_id FROM forms WHERE forms.key = {TASKS}.form_key)"
    query = f"SELECT DISTINCT process_instance_key, element_id, {form} FROM {TASKS} WHERE {of_them.sql}"
    tasks = rows(connection, query, of_them.values)
    values = values_of(connection, instances, sorted(names_needed(section)))
    for key, process_id in processes:
        shown = [(element, form_id) for instance, element, form_id in tasks if instance == key] or [(None, None)]
        for element, form_id in shown:
            elements = (element,) if element else ()
            if (mark := mark_of(section, process_id or "", values.get(key, {}), elements=elements, form_id=form_id)) is not None:
                return mark
    return None
