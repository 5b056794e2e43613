"""Lists of tasks by the engine's own search, where there is no log that follows it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from pydantic.alias_generators import to_snake

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.access import TaskAccess, business_of
from camunda_workers.tasks.audience import Wanted
from camunda_workers.tasks.effort import slack
from camunda_workers.tasks.looks import SLACK, searched_in, words_of
from camunda_workers.tasks.queue import TaskList
from camunda_workers.tasks.sensitive import marks_forms, names_shown, title_of

Search = dict[str, object]

ALIVE: Final = ("CREATED", "ASSIGNING", "UPDATING", "COMPLETING")
"""The states of a task that is not over."""

_DEEPEST: Final = 2_000
_READ: Final = 500


class EngineLists(TaskAccess):
    """Lists as the engine's search has them."""

    async def _searched(
        self, wanted: Wanted, filter: Search, sort: Sequence[str], limit: int, after: str | None, words: str = ""
    ) -> TaskList:
        """The same by the engine's own search, where there is no log that follows it: by slack only as far as work is stated."""
        base: Search = {"state": {"$in": list(ALIVE)}, **filter}
        begin, looked_for = _offset(after), words_of(words)
        # Several searches have no cursor in common: each is read from its start, and what was shown already is left out.
        fields = ["due_date" if name.removeprefix("-") == SLACK else name for name in sort]
        most = _DEEPEST if SLACK in sort else begin + limit
        total, found = 0, dict[int, UserTask]()
        for one in _searches(wanted):
            if looked_for:
                # The engine finds no words: every task that the person may see is read.
                found |= {task.key: task async for task in self._all({**base, **one}, fields)}
                continue
            page = await self._client.search_user_tasks({**base, **one}, fields, {"from": 0, "limit": most})
            total += page.total - sum(task.key in found for task in page)
            found |= {task.key: task for task in page}
        if looked_for:
            found = await self._with_words(found, looked_for)
            total = len(found)
        ordered = in_order(list(found.values()), fields)
        if SLACK in sort:
            now, known = self._clock.now(), self._stated.stated
            left = {task.key: slack(task, known, now) for task in ordered}
            ordered.sort(key=lambda task: ((value := left[task.key]) is None, value or timedelta(0)))
        shown = ordered[begin : begin + limit]
        more = begin + limit < total and shown
        return TaskList(shown, total, base64.urlsafe_b64encode(str(begin + limit).encode()).decode() if more else None)

    async def _all(self, where: Search, fields: Sequence[str]) -> AsyncIterator[UserTask]:
        page: Mapping[str, object] = {"limit": _READ}
        while True:
            found = await self._client.search_user_tasks(where, fields, page)
            for task in found:
                yield task
            if len(found) < _READ or found.end_cursor is None:
                return
            page = {"limit": _READ, "after": found.end_cursor}

    async def _with_words(self, tasks: Mapping[int, UserTask], words: Sequence[str]) -> dict[int, UserTask]:
        """Those tasks in whose text the words are, titles of cases that are not sensitive included."""
        items, titles = list(tasks.values()), dict[int, str]()
        names = names_shown(self._shows.processes)
        for begin in range(0, len(items) if names else 0, _READ):
            some = items[begin : begin + _READ]
            values, forms = await self._searched_variables(some, names), await self._searched_forms(some)
            titles |= {
                task.key: title_of(
                    self._shows,
                    task.process_definition_id,
                    task.element_id,
                    values.get(task.process_instance_key or 0, {}),
                    forms.get(task.form_key or 0),
                )
                for task in some
            }
        texts = {task.key: searched_in(task, business_of(task), titles.get(task.key, "")) for task in items}
        return {key: task for key, task in tasks.items() if all(word in texts[key] for word in words)}

    async def _searched_variables(self, tasks: Sequence[UserTask], names: Sequence[str]) -> Mapping[int, Mapping[str, Any]]:
        instances = sorted({task.process_instance_key for task in tasks if task.process_instance_key})
        result: dict[int, dict[str, Any]] = {}
        if not names or not instances:
            return result
        where: Search = {"scopeKey": {"$in": instances}, "name": {"$in": list(names)}}
        page = {"from": 0, "limit": len(instances) * len(names)}
        for item in await self._client.search_variables(where, page=page, truncate=False):
            with suppress(ValueError):
                result.setdefault(item.scope_key or 0, {})[item.name] = json.loads(item.value)
        return result

    async def _searched_forms(self, tasks: Sequence[UserTask]) -> Mapping[int, str]:
        if not marks_forms(self._shows):
            return {}
        found: dict[int, str] = {}
        for key, task in {task.form_key: task for task in tasks if task.form_key is not None}.items():
            if (form := await self._client.get_user_task_form(task.key)) is not None:
                found[key] = form.form_id
        return found


def _searches(wanted: Wanted) -> Sequence[Search]:
    if wanted.everything:
        return [{}]
    nobody: Search = {"assignee": {"$exists": False}}
    searches: list[Search] = []
    if wanted.assignees:
        searches.append({"assignee": {"$in": list(wanted.assignees)}})
    for name, tenants in wanted.away:
        searches.append({"assignee": name, "tenant_id": {"$in": sorted(tenants)}})
    if wanted.groups:
        searches.append({**nobody, "candidate_group": {"$in": sorted(wanted.groups)}})
    if wanted.user is not None:
        searches.append({**nobody, "candidate_user": wanted.user})
    if wanted.keys:
        searches.append({"user_task_key": {"$in": [str(key) for key in sorted(wanted.keys)]}})
    return searches


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise InvalidArgument("this is not where a page of this list begins: look at the list from its start") from error


def in_order(tasks: Sequence[UserTask], sort: str | Sequence[str]) -> list[UserTask]:
    """Tasks of several searches in one order; what has no date comes last, whichever way it is sorted."""
    ordered = list(tasks)
    for name in reversed([sort] if isinstance(sort, str) else sort):
        field, down = to_snake(name.removeprefix("-")), name.startswith("-")
        having = [task for task in ordered if getattr(task, field, None) is not None]
        lacking = [task for task in ordered if getattr(task, field, None) is None]
        ordered = sorted(having, key=lambda task, field=field: getattr(task, field), reverse=down) + lacking
    return ordered
