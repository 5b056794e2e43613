"""Human tasks: everything people do with them, and rules that hold whoever does it, from Tasklist, from the inbox, from a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.lazy import lazily

if TYPE_CHECKING:
    from camunda_workers.tasks.caller import Caller
    from camunda_workers.tasks.duties.desk import DutyDesk
    from camunda_workers.tasks.duties.listener import duties_router
    from camunda_workers.tasks.errors import DutyDenied, FileRefused, FormRejected, LinkRefused, Outdated, TaskClosed, TaskTaken
    from camunda_workers.tasks.queue import TaskList, TaskQueue
    from camunda_workers.tasks.service import TaskService, open_desk, open_tasks
    from camunda_workers.tasks.store import TaskStore
    from camunda_workers.tasks.work import Completion, TaskPage

_FROM = {
    "Caller": "caller",
    "Completion": "work",
    "DutyDenied": "errors",
    "DutyDesk": "duties.desk",
    "FileRefused": "errors",
    "FormRejected": "errors",
    "LinkRefused": "errors",
    "Outdated": "errors",
    "TaskClosed": "errors",
    "TaskList": "queue",
    "TaskPage": "work",
    "TaskQueue": "queue",
    "TaskService": "service",
    "TaskStore": "store",
    "TaskTaken": "errors",
    "duties_router": "duties.listener",
    "open_desk": "service",
    "open_tasks": "service",
}

__all__ = [
    "Caller",
    "Completion",
    "DutyDenied",
    "DutyDesk",
    "FileRefused",
    "FormRejected",
    "LinkRefused",
    "Outdated",
    "TaskClosed",
    "TaskList",
    "TaskPage",
    "TaskQueue",
    "TaskService",
    "TaskStore",
    "TaskTaken",
    "duties_router",
    "open_desk",
    "open_tasks",
]


__getattr__ = lazily(__name__, _FROM)
