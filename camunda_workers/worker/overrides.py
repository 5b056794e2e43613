"""What the project file and the environment say of single workers, put before what their code says.

The environment's names are ``CAMUNDA_WORKERS_WORKER_<TYPE>_<OPTION>``: the job type in capitals with ``_`` for everything that is not a
letter or digit, and an option of `camunda_workers.project.WorkerOverride`, for example ``CAMUNDA_WORKERS_WORKER_CHECK_POLICY_MAX_RUNNING=8``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from camunda_workers.errors import ConfigurationError
from camunda_workers.project import WorkerOverride
from camunda_workers.worker.definition import ALL, NO_VARIABLE, Definition

_log = structlog.get_logger("camunda_workers.worker")

PREFIX = "CAMUNDA_WORKERS_WORKER_"
_OPTIONS = {name.upper(): name for name in WorkerOverride.model_fields}
_SECONDS = TypeAdapter(float)


def from_environment(job_types: Iterable[str], variables: Mapping[str, str]) -> dict[str, WorkerOverride]:
    """Job type to what the environment says of it.

    Args:
        job_types: the workers there are.
        variables: what `camunda_workers.settings.worker_variables` gives.

    Raises:
        ConfigurationError: a value cannot be used, two job types are written alike, or a variable fits no worker's option.
    """
    types: dict[str, str] = {}
    for job_type in job_types:
        name = variable_name(job_type)
        if types.setdefault(name, job_type) != job_type and any(given.startswith(f"{name}_") for given in variables):
            raise ConfigurationError(
                f"{PREFIX}{name}_…: job types '{types[name]}' and '{job_type}' are written alike; use the project file"
            )
    found: dict[str, dict[str, str]] = {}
    for given, value in variables.items():
        # The longest type that fits: one may begin with the other.
        fits = [name for name in types if given.startswith(f"{name}_") and given[len(name) + 1 :] in _OPTIONS]
        if not fits:
            # Perhaps meant for workers of another process: not an error.
            _log.warning("worker.unknown_override", variable=f"{PREFIX}{given}", options=sorted(_OPTIONS))
            continue
        name = max(fits, key=len)
        found.setdefault(types[name], {})[_OPTIONS[given[len(name) + 1 :]]] = value
    return {job_type: _parsed(job_type, options) for job_type, options in found.items()}


def merged(first: Mapping[str, WorkerOverride], second: Mapping[str, WorkerOverride]) -> dict[str, WorkerOverride]:
    """Both; where both say something, the second does."""
    types = dict.fromkeys([*first, *second])
    return {job_type: WorkerOverride(**{**_given(first.get(job_type)), **_given(second.get(job_type))}) for job_type in types}


def applied(definition: Definition, override: WorkerOverride | None) -> Definition | None:
    """The definition as it is run; ``None`` when the worker is switched off."""
    if override is None:
        return definition
    if override.enabled is False:
        return None
    given = _given(override)
    same = ("max_running", "timeout", "longest", "stream", "extend", "max_batch", "lease")
    changes: dict[str, Any] = {name: given[name] for name in same if name in given}
    if override.tenants is not None:
        changes["tenant_ids"] = override.tenants
    if override.fetch_variables is not None:
        changes["fetch_variables"] = with_variables(definition, override.fetch_variables)
    policy: dict[str, Any] = {}
    if override.retry_back_off is not None:
        policy["back_off"] = override.retry_back_off
    if override.retries is not None:
        policy["retries"] = override.retries
    if policy:
        changes["retries"] = replace(definition.retries, **policy)
    return replace(definition, **changes)


def with_variables(definition: Definition, names: Iterable[str]) -> tuple[str, ...]:
    """What to fetch so that these variables come too; empty is everything."""
    more = tuple(names)
    if not definition.fetch_variables or ALL in more:
        return ()
    return tuple(dict.fromkeys([*(name for name in definition.fetch_variables if name != NO_VARIABLE), *more])) or (NO_VARIABLE,)


def variable_name(job_type: str) -> str:
    """A job type as it is written in the environment."""
    return re.sub(r"[^A-Z0-9]", "_", job_type.upper())


def _parsed(job_type: str, options: Mapping[str, str]) -> WorkerOverride:
    try:
        return WorkerOverride.model_validate({name: _time(name, value) for name, value in options.items()})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        name = f"{PREFIX}{variable_name(job_type)}_{str(problem['loc'][0]).upper()}"
        raise ConfigurationError(f"{name}: {problem['msg'].removeprefix('Value error, ')}") from error


def _time(name: str, value: str) -> Any:
    if name not in ("timeout", "longest", "retry_back_off"):
        return value
    try:
        return timedelta(seconds=_SECONDS.validate_python(value))
    except ValidationError:
        return value  # a duration in ISO 8601, which pydantic reads


def _given(override: WorkerOverride | None) -> dict[str, Any]:
    return {} if override is None else override.model_dump(exclude_none=True)
