"""What runs around the tasks."""

from __future__ import annotations

import dataclasses
import types

from pyzeebe import Job

JOURNAL: list[str] = []
"""What happened, for whoever looks."""


async def note_start(job: Job) -> Job:
    JOURNAL.append(f"{job.type}: start {job.status.value}")
    return job


def note_end(job: Job) -> Job:
    JOURNAL.append(f"{job.type}: end {job.status.value} {sorted(job.task_result or {})}")
    return job


def enrich(job: Job) -> Job:
    """Hand the task a changed job."""
    return dataclasses.replace(job, variables=types.MappingProxyType({**job.variables, "region": "north"}))


def broken(job: Job) -> Job:
    """Fail; pyzeebe logs that and goes on."""
    raise RuntimeError(f"a broken decorator at {job.type}")
